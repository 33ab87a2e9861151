use std::time::Duration;

use crate::{BoxError, DeviceTimes};

/// A step between source and sink that turns items into items, N to M.
///
/// A colour conversion emits one item for each that it gets; a decoder or an encoder with B-frames emits none for a
/// while, then several; a batcher gathers. The pipeline runs each stage on a thread of its own, measures it and hands
/// its items on: an implementation must not do either.
///
/// What must hold:
/// - items are emitted in the order of presentation, unless `Output` is a packet (then in decoding order);
/// - after an error the stage is not used again;
/// - [`finish`](Self::finish) is called once, after the last item, and only if nothing upstream failed.
///
/// ```
/// use rave_core::{BoxError, Stage};
///
/// struct Pairs(Option<u32>);
///
/// impl Stage for Pairs {
///     type Input = u32;
///     type Output = (u32, Option<u32>);
///
///     fn process(&mut self, input: u32, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError> {
///         match self.0.take() {
///             Some(first) => emit((first, Some(input))),
///             None => self.0 = Some(input),
///         }
///         Ok(())
///     }
///
///     fn finish(&mut self, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError> {
///         self.0.take().into_iter().for_each(|last| emit((last, None)));
///         Ok(())
///     }
/// }
/// ```
pub trait Stage: Send {
    /// What it takes.
    type Input: Send;
    /// What it gives.
    type Output: Send;

    /// Takes one item and emits those that are ready.
    ///
    /// # Errors
    /// Whatever makes going on pointless; the pipeline adds the stage's name.
    fn process(&mut self, input: Self::Input, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError>;

    /// Emits what is still held back: the input has ended.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn finish(&mut self, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError>;

    /// How long it waits for the next item before [`flush`](Self::flush) is to be called, from now on; `None` if it holds
    /// nothing back that could leave without another item.
    ///
    /// A stage that gathers items says so here, so that a slow or live source does not keep them for long.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Emits what it holds back only to do it together with what comes next: nothing has come for as long as its
    /// [`patience`](Self::patience). More items may follow.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn flush(&mut self, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError> {
        let _ = emit;
        Ok(())
    }

    /// Where it is noted when its work ran, if that runs on a device. Asked for once, before the first item.
    fn device_times(&self) -> Option<DeviceTimes> {
        None
    }
}

/// The end of a pipeline.
pub trait Sink: Send {
    /// What it takes.
    type Input: Send;
    /// What it knows when all is written.
    type Summary: Send;

    /// Takes one item.
    ///
    /// # Errors
    /// Whatever makes going on pointless; the pipeline adds the sink's name.
    fn write(&mut self, input: Self::Input) -> Result<(), BoxError>;

    /// Completes what was written. Not called if anything upstream failed: then the output must not look whole.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn finish(self) -> Result<Self::Summary, BoxError>;
}
