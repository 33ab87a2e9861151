//! What the chain promises to whoever plugs stages together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rave_core::{BoxError, Code, CodedError, CustomError, Sink, Stage};
use rave_pipeline::{Chain, Control, Error};

/// An item that is counted while it lives.
struct Item(u64, Arc<AtomicUsize>);

impl Item {
    fn new(number: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(number, Arc::clone(alive))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Error,
    Panic,
    Abandon,
}

/// Passes items on, until it meets its fault.
struct Faulty {
    fault: Option<(u64, Fault)>,
    control: Control,
}

impl Faulty {
    fn check(&self, number: u64) -> Result<(), BoxError> {
        match self.fault {
            Some((at, Fault::Error)) if at == number => Err(CustomError::new("broken on purpose").into()),
            Some((at, Fault::Panic)) if at == number => panic!("panicked on purpose"),
            Some((at, Fault::Abandon)) if at == number => {
                self.control.abandon();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Stage for Faulty {
    type Input = Item;
    type Output = Item;

    fn process(&mut self, input: Item, emit: &mut dyn FnMut(Item)) -> Result<(), BoxError> {
        self.check(input.0)?;
        emit(input);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(Item)) -> Result<(), BoxError> {
        self.check(u64::MAX)
    }
}

struct Collect {
    seen: Vec<u64>,
    finished: Arc<AtomicUsize>,
    faulty: Faulty,
}

impl Sink for Collect {
    type Input = Item;
    type Summary = Vec<u64>;

    fn write(&mut self, input: Item) -> Result<(), BoxError> {
        self.faulty.check(input.0)?;
        self.seen.push(input.0);
        Ok(())
    }

    fn finish(self) -> Result<Vec<u64>, BoxError> {
        self.faulty.check(u64::MAX)?;
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(self.seen)
    }
}

struct Outcome {
    result: Result<Vec<u64>, Error>,
    finished: usize,
    alive: usize,
}

/// Runs source, two stages and a sink over `count` items, with a fault at item `at` in the stage number `place`.
fn run(count: u64, place: usize, fault: Option<(u64, Fault)>) -> Outcome {
    let (alive, finished) = (Arc::default(), Arc::<AtomicUsize>::default());
    let control = Control::new();
    let of = |index| Faulty { fault: fault.filter(|_| index == place), control: control.clone() };
    let (source_alive, source) = (Arc::clone(&alive), of(0));
    let items = (0..count).map(move |number| source.check(number).map(|()| Item::new(number, &source_alive)));
    let sink = Collect { seen: vec![], finished: Arc::clone(&finished), faulty: of(3) };
    let result = Chain::source("source", items)
        .queue(2)
        .then("first", of(1))
        .queue(1)
        .then("second", of(2))
        .sink("sink", sink)
        .run(&control, |_| {});
    Outcome {
        result: result.map(|(seen, _)| seen),
        finished: finished.load(Ordering::SeqCst),
        alive: alive.load(Ordering::SeqCst),
    }
}

const NAMES: [&str; 4] = ["source", "first", "second", "sink"];

#[test]
fn every_item_arrives_once_and_in_order() {
    let outcome = run(1000, 0, None);
    assert_eq!(outcome.result.unwrap(), (0..1000).collect::<Vec<_>>());
    assert_eq!((outcome.finished, outcome.alive), (1, 0));
}

#[test]
fn an_empty_source_completes() {
    assert_eq!(run(0, 0, None).result.unwrap(), []);
}

#[test]
fn an_error_anywhere_is_the_result_and_nothing_downstream_finishes() {
    for (place, name) in NAMES.into_iter().enumerate() {
        for at in [0, 500] {
            let outcome = run(1000, place, Some((at, Fault::Error)));
            let error = outcome.result.unwrap_err();
            assert_eq!(error.to_string(), format!("{name}: broken on purpose"));
            assert_eq!(error.code(), Code::StageFailed);
            assert_eq!((outcome.finished, outcome.alive), (0, 0), "{name} at {at}");
        }
    }
}

#[test]
fn a_panic_anywhere_is_an_error_that_names_the_stage() {
    for (place, name) in NAMES.into_iter().enumerate() {
        let outcome = run(1000, place, Some((300, Fault::Panic)));
        let error = outcome.result.unwrap_err();
        assert_eq!(error.code(), Code::StagePanicked);
        assert!(error.to_string().starts_with(&format!("{name}: panicked: panicked on purpose")), "{error}");
        assert_eq!((outcome.finished, outcome.alive), (0, 0));
    }
}

#[test]
fn an_error_while_finishing_is_an_error_of_the_run() {
    for place in 1..4 {
        let outcome = run(10, place, Some((u64::MAX, Fault::Error)));
        assert!(outcome.result.is_err());
        assert_eq!((outcome.finished, outcome.alive), (0, 0));
    }
}

#[test]
fn abandoning_ends_every_thread_and_completes_nothing() {
    for place in 0..4 {
        let outcome = run(u64::MAX, place, Some((50, Fault::Abandon)));
        assert!(matches!(outcome.result, Err(Error::Abandoned)));
        assert_eq!((outcome.finished, outcome.alive), (0, 0));
    }
}

#[test]
fn abandoning_wakes_stages_that_wait_on_a_source() {
    let control = Control::new();
    let (sender, receiver) = std::sync::mpsc::channel::<Item>();
    let waiter = control.clone();
    let items = std::iter::from_fn(move || {
        waiter.abandon();
        receiver.recv().ok().map(Ok::<_, BoxError>)
    });
    let sink = Collect {
        seen: vec![],
        finished: Arc::default(),
        faulty: Faulty { fault: None, control: control.clone() },
    };
    // The source itself blocks until the sender is dropped; the sink does not.
    drop(sender);
    let result = Chain::source("source", items).sink("sink", sink).run(&control, |_| {});
    assert!(matches!(result, Err(Error::Abandoned)));
}

#[test]
fn finishing_completes_what_was_read() {
    let control = Control::new();
    let (stop, alive) = (control.clone(), Arc::default());
    let items = (0..u64::MAX).map(move |number| {
        if number == 100 {
            stop.finish();
        }
        Ok::<_, BoxError>(Item::new(number, &alive))
    });
    let finished = Arc::<AtomicUsize>::default();
    let faulty = Faulty { fault: None, control: control.clone() };
    let sink = Collect { seen: vec![], finished: Arc::clone(&finished), faulty };
    let (seen, report) = Chain::source("source", items).sink("sink", sink).run(&control, |_| {}).unwrap();
    assert_eq!(seen, (0..=100).collect::<Vec<_>>());
    assert_eq!(finished.load(Ordering::SeqCst), 1);
    assert_eq!(report.stage("sink").unwrap().items_out, 101);
}

/// Emits each item `copies` times, and one more at the end.
struct Repeat(u64);

impl Stage for Repeat {
    type Input = u64;
    type Output = u64;

    fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        (0..self.0).for_each(|_| emit(input));
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
        emit(u64::MAX);
        Ok(())
    }
}

struct Count(u64);

impl Sink for Count {
    type Input = u64;
    type Summary = u64;

    fn write(&mut self, _: u64) -> Result<(), BoxError> {
        self.0 += 1;
        Ok(())
    }

    fn finish(self) -> Result<u64, BoxError> {
        Ok(self.0)
    }
}

#[test]
fn a_stage_may_emit_any_number_of_items() {
    for copies in [0, 1, 9] {
        let chain = Chain::source("count", (0..100).map(Ok::<u64, BoxError>))
            .queue(1)
            .then("repeat", Repeat(copies))
            .queue(1)
            .sink("sink", Count(0));
        let (count, report) = chain.run(&Control::new(), |_| {}).unwrap();
        assert_eq!(count, 100 * copies + 1);
        let repeat = report.stage("repeat").unwrap();
        assert_eq!((repeat.items_in, repeat.items_out), (100, count));
    }
}

#[test]
fn a_line_that_was_begun_on_one_thread_is_completed_and_run_on_another() {
    let begun = Chain::source("count", (0..10).map(Ok::<u64, BoxError>)).then("repeat", Repeat(2));
    let complete = move || begun.sink("sink", Count(0)).run(&Control::new(), |_| {});
    let (count, _) = thread::spawn(complete).join().unwrap().unwrap();
    assert_eq!(count, 21);
}

#[test]
fn waiting_is_not_counted_as_busy() {
    let chain = Chain::source("count", (0..20_000).map(Ok::<u64, BoxError>))
        .queue(1)
        .then("repeat", Repeat(1))
        .queue(1)
        .sink("sink", Count(0));
    let (_, report) = chain.run(&Control::new(), |_| {}).unwrap();
    for stage in &report.stages {
        let accounted = stage.busy + stage.waiting_for_input + stage.waiting_for_output;
        assert!(accounted <= report.elapsed, "{stage:?} of {:?}", report.elapsed);
    }
}
