use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use rave_core::{BoxError, Sink, Stage};

use crate::meter::Meter;
use crate::port::{Input, Output, QueueEnd, QueueStart, Received, wait_once};
use crate::{Control, Error};

/// How a worker's loop ends.
pub(crate) enum Ending {
    /// End of stream passed through.
    Complete,
    /// A neighbour died or the chain is being stopped: the cause is recorded elsewhere.
    Cut,
    /// The stage failed.
    Failed(BoxError),
}

impl From<BoxError> for Ending {
    fn from(error: BoxError) -> Self {
        Self::Failed(error)
    }
}

/// One source, stage or sink, ready to run on a thread of its own.
pub(crate) struct Worker {
    pub(crate) meter: Arc<Meter>,
    body: Body,
}

type Body = Box<dyn FnOnce(&Control, &Arc<Meter>) -> Ending + Send>;

impl Worker {
    pub(crate) fn new(
        name: &str,
        body: impl FnOnce(&Control, &Arc<Meter>) -> Ending + Send + 'static,
    ) -> Self {
        Self { meter: Arc::new(Meter::new(name)), body: Box::new(body) }
    }

    /// Runs to the end; the first failure of the chain is put into `cause` and stops everybody.
    pub(crate) fn run(self, control: &Control, cause: &Mutex<Option<Error>>) {
        wait_once();
        let Self { meter, body } = self;
        let stage = meter.name.clone();
        let error = match catch_unwind(AssertUnwindSafe(|| body(control, &meter))) {
            Ok(Ending::Complete | Ending::Cut) => return,
            Ok(Ending::Failed(source)) => Error::Stage { stage, source },
            Err(payload) => Error::Panicked { stage, message: panic_message(&*payload) },
        };
        cause.lock().get_or_insert(error);
        control.sound_alarm();
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

pub(crate) fn run_source<T, E: Into<BoxError>>(
    mut source: impl Iterator<Item = Result<T, E>>,
    output: QueueEnd<T>,
    control: &Control,
    meter: &Arc<Meter>,
) -> Ending {
    let mut output = Output::new(output, control, meter);
    while !control.is_finishing() {
        match meter.busy(|| source.next()) {
            Some(Ok(item)) => {
                meter.items_in.fetch_add(1, Ordering::Relaxed);
                output.send(item);
            }
            Some(Err(error)) => return Ending::Failed(error.into()),
            None => break,
        }
        if !output.is_open() || control.is_stopping() {
            return Ending::Cut;
        }
    }
    output.end();
    Ending::Complete
}

pub(crate) fn run_stage<S: Stage>(
    mut stage: S,
    input: QueueStart<S::Input>,
    output: QueueEnd<S::Output>,
    control: &Control,
    meter: &Arc<Meter>,
) -> Ending {
    meter.watch_device(stage.device_times());
    let input = Input::new(input, control, meter);
    let mut output = Output::new(output, control, meter);
    loop {
        let received = input.receive(stage.patience());
        let is_end = matches!(received, Received::End);
        let result = meter.busy(|| match received {
            Received::Item(item) => stage.process(item, &mut |item| output.send(item)).map_err(Ending::from),
            Received::Nothing => stage.flush(&mut |item| output.send(item)).map_err(Ending::from),
            Received::End => stage.finish(&mut |item| output.send(item)).map_err(Ending::from),
            Received::Dead => Err(Ending::Cut),
        });
        match result {
            Err(ending) => return ending,
            Ok(()) if !output.is_open() => return Ending::Cut,
            Ok(()) if is_end => break,
            Ok(()) => {}
        }
    }
    output.end();
    Ending::Complete
}

pub(crate) fn run_sink<K: Sink>(
    mut sink: K,
    input: QueueStart<K::Input>,
    summary: &Mutex<Option<K::Summary>>,
    control: &Control,
    meter: &Arc<Meter>,
) -> Ending {
    let input = Input::new(input, control, meter);
    loop {
        match input.receive(None) {
            Received::Nothing => {}
            Received::Item(item) => match meter.busy(|| sink.write(item)) {
                Ok(()) => meter.count_out(),
                Err(error) => return Ending::Failed(error),
            },
            Received::End => break,
            Received::Dead => return Ending::Cut,
        };
    }
    match meter.busy(|| sink.finish()) {
        Ok(done) => *summary.lock() = Some(done),
        Err(error) => return Ending::Failed(error),
    }
    Ending::Complete
}
