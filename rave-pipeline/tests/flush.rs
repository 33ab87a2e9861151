//! A stage that gathers items does not keep them from a source that is slow.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rave_core::{BoxError, CustomError, Sink, Stage};
use rave_pipeline::{Chain, Control};

/// Hands on items in groups of `size`, or what there is when nothing comes.
struct Groups {
    size: usize,
    held: Vec<u32>,
}

impl Stage for Groups {
    type Input = u32;
    type Output = Vec<u32>;

    fn process(&mut self, input: u32, emit: &mut dyn FnMut(Vec<u32>)) -> Result<(), BoxError> {
        self.held.push(input);
        if self.held.len() == self.size { self.flush(emit) } else { Ok(()) }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Vec<u32>)) -> Result<(), BoxError> {
        if self.held.is_empty() { Ok(()) } else { self.flush(emit) }
    }

    fn patience(&self) -> Option<Duration> {
        (!self.held.is_empty()).then_some(Duration::from_millis(1))
    }

    fn flush(&mut self, emit: &mut dyn FnMut(Vec<u32>)) -> Result<(), BoxError> {
        emit(std::mem::take(&mut self.held));
        Ok(())
    }
}

/// Says each group, and keeps all.
struct Tell {
    said: Sender<Vec<u32>>,
    groups: Vec<Vec<u32>>,
}

impl Sink for Tell {
    type Input = Vec<u32>;
    type Summary = Vec<Vec<u32>>;

    fn write(&mut self, group: Vec<u32>) -> Result<(), BoxError> {
        self.groups.push(group.clone());
        // The source is gone when it has given its last item.
        drop(self.said.send(group));
        Ok(())
    }

    fn finish(self) -> Result<Vec<Vec<u32>>, BoxError> {
        Ok(self.groups)
    }
}

/// A source whose item `1` comes only after the group with item `0` has arrived.
fn live(arrived: Receiver<Vec<u32>>) -> impl Iterator<Item = Result<u32, BoxError>> {
    (0..2).map(move |number| {
        if number == 1 {
            arrived.recv().map_err(CustomError::new)?;
        }
        Ok(number)
    })
}

/// Longer than a machine under load takes for anything here.
const LIMIT: Option<Duration> = Some(Duration::from_secs(60));

#[test]
fn a_source_that_waits_gets_its_items_through() {
    let (said, arrived) = channel();
    let chain = Chain::source("live", live(arrived)).then("groups", Groups { size: 4, held: vec![] });
    let chain = chain.sink("tell", Tell { said, groups: vec![] }).stall_limit(LIMIT);
    let (groups, _) = chain.run(&Control::new(), |_| {}).expect("nothing fails");
    assert_eq!(groups, [[0], [1]]);
}

#[test]
fn a_stage_without_patience_is_never_asked() {
    struct Patient(Groups);
    impl Stage for Patient {
        type Input = u32;
        type Output = Vec<u32>;
        fn process(&mut self, input: u32, emit: &mut dyn FnMut(Vec<u32>)) -> Result<(), BoxError> {
            self.0.process(input, emit)
        }
        fn finish(&mut self, emit: &mut dyn FnMut(Vec<u32>)) -> Result<(), BoxError> {
            self.0.finish(emit)
        }
    }
    let (said, _arrived) = channel();
    let numbers = (0..10).map(Ok::<u32, BoxError>);
    let chain = Chain::source("numbers", numbers).then("groups", Patient(Groups { size: 4, held: vec![] }));
    let chain = chain.sink("tell", Tell { said, groups: vec![] }).stall_limit(LIMIT);
    let (groups, _) = chain.run(&Control::new(), |_| {}).expect("nothing fails");
    assert_eq!(groups, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
}
