//! A line that is dealt among lanes gives what one lane gives, and ends like it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rave_core::{BoxError, Code, CodedError, CustomError, Sink, Stage};
use rave_pipeline::{Assembly, Chain, Control, Error};

/// What a stage does at one item.
enum Fault {
    Error,
    Panic,
    /// Waits until the gate is dropped.
    Stall(Receiver<()>),
}

/// Passes numbers on, and meets its fault at number 20.
#[derive(Default)]
struct Faulty {
    fault: Option<Fault>,
    /// Dropped when the thread that holds it has ended.
    _alive: Option<Sender<()>>,
}

impl Faulty {
    fn pass(&self, number: u64) -> Result<u64, BoxError> {
        match self.fault.as_ref().filter(|_| number >= 20) {
            None => Ok(number),
            Some(Fault::Error) => Err(CustomError::new("broken on purpose").into()),
            Some(Fault::Panic) => panic!("panicked on purpose"),
            Some(Fault::Stall(gate)) => {
                let _ = gate.recv();
                Ok(number)
            }
        }
    }
}

impl Stage for Faulty {
    type Input = u64;
    type Output = u64;

    fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        emit(self.pass(input)?);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        Ok(())
    }
}

#[derive(Default)]
struct Collect {
    seen: Vec<u64>,
    faulty: Faulty,
    finished: Arc<AtomicUsize>,
}

impl Sink for Collect {
    type Input = u64;
    type Summary = Vec<u64>;

    fn write(&mut self, input: u64) -> Result<(), BoxError> {
        self.seen.push(self.faulty.pass(input)?);
        Ok(())
    }

    fn finish(self) -> Result<Vec<u64>, BoxError> {
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(self.seen)
    }
}

const LANES: [&str; 3] = ["a", "b", "c"];

fn numbers(count: u64) -> Chain<u64> {
    Chain::source("source", (0..count).map(Ok::<u64, BoxError>)).queue(2)
}

/// Deals numbers to lanes of one stage each, which `stage` makes of the lane's number.
fn dealt<S: Stage<Input = u64, Output = u64> + 'static>(
    count: u64,
    stage: impl Fn(usize) -> S,
) -> Chain<u64> {
    let (deal, lanes) = numbers(count).deal("deal", LANES);
    let lanes = lanes.into_iter().enumerate().map(|(index, lane)| lane.then("work", stage(index)).queue(1));
    deal.merge("merge", lanes.collect())
}

#[test]
fn items_leave_in_order_however_fast_their_lanes_are() {
    /// Slower by more from lane to lane.
    struct Spin(usize);
    impl Stage for Spin {
        type Input = u64;
        type Output = u64;
        fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            let work = (0..2000 * self.0 as u64 * (1 + input % 7)).fold(input, |sum, step| sum ^ step);
            emit(if work == u64::MAX { work } else { input });
            Ok(())
        }
        fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            Ok(())
        }
    }
    let chain = dealt(3000, Spin).sink("sink", Collect::default());
    let (seen, report) = chain.run(&Control::new(), |_| {}).unwrap();
    assert_eq!(seen, (0..3000).collect::<Vec<_>>());
    let shares: Vec<u64> = LANES.map(|lane| report.stage(&format!("work {lane}")).unwrap().items_out).into();
    assert_eq!(shares.iter().sum::<u64>(), 3000);
    assert!(shares.iter().all(|&share| share > 0), "{shares:?}");
    assert_eq!(report.stage("deal").unwrap().items_out, 3000);
    assert_eq!(report.stage("merge").unwrap().items_in, 3000);
}

#[test]
fn an_item_goes_where_there_is_room() {
    // Lane a holds its first item until the last one has come to the others.
    struct Held(usize, Arc<AtomicUsize>);
    impl Stage for Held {
        type Input = u64;
        type Output = u64;
        fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            while self.0 == 0 && input == 0 && self.1.load(Ordering::SeqCst) < 4 {
                thread::yield_now();
            }
            self.1.fetch_add(1, Ordering::SeqCst);
            emit(input);
            Ok(())
        }
        fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            Ok(())
        }
    }
    let done = Arc::default();
    let chain = dealt(9, |lane| Held(lane, Arc::clone(&done))).sink("sink", Collect::default());
    assert_eq!(chain.run(&Control::new(), |_| {}).unwrap().0, (0..9).collect::<Vec<_>>());
}

#[test]
fn a_lane_may_hold_items_back() {
    /// Gives items three later than they came.
    #[derive(Default)]
    struct Late(Vec<u64>);
    impl Stage for Late {
        type Input = u64;
        type Output = u64;
        fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            self.0.push(input);
            if self.0.len() > 3 {
                emit(self.0.remove(0));
            }
            Ok(())
        }
        fn finish(&mut self, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            self.0.drain(..).for_each(emit);
            Ok(())
        }
    }
    for count in [0, 1, 2, 5, 500] {
        let chain = dealt(count, |_| Late::default()).sink("sink", Collect::default());
        assert_eq!(chain.run(&Control::new(), |_| {}).unwrap().0, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn a_lane_that_is_ahead_waits() {
    // Lane a stands still: the source is read no further than all queues and hands hold.
    let (gate_holder, gate) = channel::<()>();
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let numbers = (0..100_000).map(move |number| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<u64, BoxError>(number)
    });
    struct Stuck(Option<Receiver<()>>);
    impl Stage for Stuck {
        type Input = u64;
        type Output = u64;
        fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            if let Some(gate) = self.0.take() {
                let _ = gate.recv();
            }
            emit(input);
            Ok(())
        }
        fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            Ok(())
        }
    }
    let (deal, lanes) = Chain::source("source", numbers).queue(2).deal("deal", LANES);
    let mut gate = Some(gate);
    let lanes = lanes.into_iter().map(|lane| lane.then("work", Stuck(gate.take())).queue(1)).collect();
    let limit = Duration::from_millis(200);
    let chain = deal.merge("merge", lanes).sink("sink", Collect::default()).stall_limit(Some(limit));
    let error = chain.run(&Control::new(), |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Stalled { stage, .. } if stage == "work a"), "{error}");
    // The source's queue, the dealer's hand; for each lane its queue, the stage's hand and the queue behind; the source's hand.
    let most = 2 + 1 + LANES.len() * (2 + 1 + 1) + 1;
    assert!(read.load(Ordering::SeqCst) <= most, "{read:?} were read, {most} fit");
    drop(gate_holder);
}

#[test]
fn a_lane_that_loses_or_doubles_an_item_is_an_error() {
    struct Copies(u64);
    impl Stage for Copies {
        type Input = u64;
        type Output = u64;
        fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            (0..if input == 40 { self.0 } else { 1 }).for_each(|_| emit(input));
            Ok(())
        }
        fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
            Ok(())
        }
    }
    for copies in [0, 2] {
        let sink = Collect::default();
        let finished = Arc::clone(&sink.finished);
        let error =
            dealt(100, |_| Copies(copies)).sink("sink", sink).run(&Control::new(), |_| {}).unwrap_err();
        assert!(error.to_string().starts_with("merge: "), "{error}");
        assert!(error.to_string().contains("did not give one frame for each"), "{error}");
        assert_eq!(finished.load(Ordering::SeqCst), 0);
    }
}

/// Every worker of [`faulty_chain`] that runs code of somebody else's.
const PLACES: [&str; 7] = ["source", "before", "work a", "work b", "work c", "behind", "sink"];

/// A chain with lanes and stages before and behind them, one of which meets a fault.
fn faulty_chain(
    place: &str,
    fault: Fault,
    alive: &Sender<()>,
    finished: &Arc<AtomicUsize>,
) -> Assembly<Vec<u64>> {
    let mut fault = Some(fault);
    let mut of = |name: &str| Faulty { fault: fault.take_if(|_| name == place), _alive: Some(alive.clone()) };
    let source = of("source");
    let chain = Chain::source("source", (0..u64::MAX).map(move |number| source.pass(number))).queue(2);
    let (deal, lanes) = chain.then("before", of("before")).queue(1).deal("deal", LANES);
    let lanes = LANES.into_iter().zip(lanes);
    let lanes = lanes.map(|(label, lane)| lane.then("work", of(&format!("work {label}"))).queue(1)).collect();
    let chain = deal.merge("merge", lanes).queue(1).then("behind", of("behind"));
    let sink = Collect { faulty: of("sink"), finished: Arc::clone(finished), ..Collect::default() };
    chain.sink("sink", sink).stall_limit(Some(LIMIT))
}

const LIMIT: Duration = Duration::from_millis(300);

#[test]
fn an_error_or_a_panic_anywhere_ends_every_thread_and_is_the_cause() {
    for place in PLACES {
        for (fault, code) in [(Fault::Error, Code::StageFailed), (Fault::Panic, Code::StagePanicked)] {
            let ((alive, ended), finished) = (channel(), Arc::default());
            let chain = faulty_chain(place, fault, &alive, &finished);
            drop(alive);
            let start = Instant::now();
            let error = chain.run(&Control::new(), |_| {}).unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(2), "{place}: {:?}", start.elapsed());
            assert_eq!(error.code(), code, "{place}: {error}");
            assert!(error.to_string().starts_with(&format!("{place}: ")), "{place}: {error}");
            assert!(ended.recv().is_err(), "every thread has ended");
            assert_eq!(finished.load(Ordering::SeqCst), 0, "{place}");
        }
    }
}

#[test]
fn a_stall_anywhere_ends_every_other_thread_and_names_the_stage() {
    for place in PLACES {
        let ((gate_holder, gate), (alive, ended), finished) = (channel(), channel(), Arc::default());
        let chain = faulty_chain(place, Fault::Stall(gate), &alive, &finished);
        drop(alive);
        let start = Instant::now();
        let error = chain.run(&Control::new(), |_| {}).unwrap_err();
        assert!(start.elapsed() < LIMIT * 2 + Duration::from_secs(2), "{place}: {:?}", start.elapsed());
        assert!(matches!(&error, Error::Stalled { stage, .. } if stage == place), "{place}: {error}");
        drop(gate_holder);
        assert!(ended.recv().is_err(), "every thread has ended");
        assert_eq!(finished.load(Ordering::SeqCst), 0, "{place}");
    }
}

#[test]
fn abandoning_and_finishing_reach_every_lane() {
    for is_abandoned in [true, false] {
        let control = Control::new();
        let stop = control.clone();
        let numbers = (0..u64::MAX).map(move |number| {
            match number {
                50 if is_abandoned => stop.abandon(),
                50 => stop.finish(),
                _ => {}
            }
            Ok::<u64, BoxError>(number)
        });
        let (deal, lanes) = Chain::source("source", numbers).deal("deal", LANES);
        let lanes = lanes.into_iter().map(|lane| lane.then("work", Faulty::default())).collect();
        let result = deal.merge("merge", lanes).sink("sink", Collect::default()).run(&control, |_| {});
        match is_abandoned {
            true => assert!(matches!(result, Err(Error::Abandoned))),
            false => assert_eq!(result.unwrap().0, (0..=50).collect::<Vec<_>>()),
        }
    }
}
