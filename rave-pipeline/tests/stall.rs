//! A stage that does not return does not hold up the run for ever.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rave_core::{BoxError, Code, CodedError, Sink, Stage};
use rave_pipeline::{Chain, Control, Error};

/// Passes numbers on. At one number it waits until its gate is dropped.
struct Gated {
    gate: Option<Receiver<()>>,
    /// Dropped when the thread that holds it has ended.
    _alive: Sender<()>,
}

impl Gated {
    fn pass(&self, number: u64) -> u64 {
        if let Some(gate) = self.gate.as_ref().filter(|_| number == 20) {
            let _ = gate.recv();
        }
        number
    }
}

impl Stage for Gated {
    type Input = u64;
    type Output = u64;

    fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        emit(self.pass(input));
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Sink for Gated {
    type Input = u64;
    type Summary = ();

    fn write(&mut self, input: u64) -> Result<(), BoxError> {
        self.pass(input);
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

const NAMES: [&str; 4] = ["source", "first", "second", "sink"];
const LIMIT: Duration = Duration::from_millis(300);

#[test]
fn a_stall_anywhere_ends_every_other_thread_and_names_the_stage() {
    for (place, name) in NAMES.into_iter().enumerate() {
        let (gate_holder, gate) = channel::<()>();
        let (alive, ended) = channel::<()>();
        let mut gate = Some(gate);
        let mut of = |index| Gated { gate: gate.take_if(|_| index == place), _alive: alive.clone() };
        let [source, first, second, sink] = [of(0), of(1), of(2), of(3)];
        drop(alive);
        let numbers = (0..u64::MAX).map(move |number| Ok::<_, BoxError>(source.pass(number)));
        let chain = Chain::source("source", numbers)
            .queue(2)
            .then("first", first)
            .queue(1)
            .then("second", second)
            .sink("sink", sink)
            .stall_limit(Some(LIMIT));
        let start = Instant::now();
        let error = chain.run(&Control::new(), |_| {}).unwrap_err();
        // The limit, its resolution, and the two seconds that the others have.
        assert!(start.elapsed() < LIMIT * 2 + Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(matches!(&error, Error::Stalled { stage, .. } if stage == name), "{error}");
        assert_eq!(error.code(), Code::StageStalled);
        // Only the stalled thread is left: it ends when its gate goes.
        drop(gate_holder);
        assert!(ended.recv_timeout(Duration::from_secs(10)).is_err());
        assert!(ended.recv().is_err(), "every thread has ended");
    }
}

#[test]
fn a_slow_chain_is_not_stalled() {
    let numbers = (0..3).map(|number| {
        std::thread::park_timeout(LIMIT / 3);
        Ok::<u64, BoxError>(number)
    });
    let (alive, _ended) = channel();
    let sink = Gated { gate: None, _alive: alive };
    let chain = Chain::source("source", numbers).sink("sink", sink).stall_limit(Some(LIMIT));
    assert!(chain.run(&Control::new(), |_| {}).is_ok());
}
