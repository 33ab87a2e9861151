use std::fmt;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select, unbounded};
use parking_lot::Mutex;

use crate::meter::Meter;
use crate::port::{Input, Output, Outputs, QueueEnd, QueueStart, Received, queue};
use crate::worker::{Ending, Worker};
use crate::{Chain, Control, Error};

/// What joins the lanes again that [`Chain::deal`] has made of one line.
#[must_use = "lanes that are not merged lead nowhere"]
pub struct Deal {
    workers: Vec<Worker>,
    labels: Vec<String>,
    turns: Receiver<usize>,
    shares: Shares,
}

impl fmt::Debug for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deal").field("lanes", &self.labels).finish_non_exhaustive()
    }
}

/// Which lane each item of a [`Chain::deal`] went to, that can be read while the chain runs and afterwards. Clones are of the
/// same deal.
#[derive(Clone, Debug, Default)]
pub struct Shares(Arc<Mutex<Vec<u16>>>);

impl Shares {
    /// The number of an item in the whole line, counted from 0, of that with this number in a lane.
    pub fn place(&self, lane: usize, number: u64) -> Option<u64> {
        let lanes = self.0.lock();
        let of_lane = lanes.iter().enumerate().filter(|(_, other)| usize::from(**other) == lane);
        let number = usize::try_from(number).ok()?;
        of_lane.map(|(place, _)| place as u64).nth(number)
    }

    fn note(&self, lane: usize) {
        self.0.lock().push(u16::try_from(lane).unwrap_or(u16::MAX));
    }
}

impl<T: Send + 'static> Chain<T> {
    /// Deals the items among several lanes, one for each label, which work at the same time; [`Deal::merge`] puts them back in
    /// order.
    ///
    /// An item goes to the lane where the fewest wait, so that a lane gets as many as it can do. The queue before each lane
    /// holds what [`queue`](Self::queue) has said. Names of stages in a lane get its label.
    ///
    /// ```
    /// use rave_core::{BoxError, Sink, Stage};
    /// use rave_pipeline::{Chain, Control};
    ///
    /// struct Square;
    /// impl Stage for Square {
    ///     type Input = u64;
    ///     type Output = u64;
    ///     fn process(&mut self, input: u64, emit: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
    ///         emit(input * input);
    ///         Ok(())
    ///     }
    ///     fn finish(&mut self, _: &mut dyn FnMut(u64)) -> Result<(), BoxError> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Collect(Vec<u64>);
    /// impl Sink for Collect {
    ///     type Input = u64;
    ///     type Summary = Vec<u64>;
    ///     fn write(&mut self, input: u64) -> Result<(), BoxError> {
    ///         self.0.push(input);
    ///         Ok(())
    ///     }
    ///     fn finish(self) -> Result<Vec<u64>, BoxError> {
    ///         Ok(self.0)
    ///     }
    /// }
    ///
    /// let numbers = (1..=4).map(Ok::<u64, BoxError>);
    /// let (deal, lanes) = Chain::source("count", numbers).deal("deal", ["a", "b"]);
    /// let lanes = lanes.into_iter().map(|lane| lane.then("square", Square)).collect();
    /// let chain = deal.merge("merge", lanes).sink("collect", Collect(Vec::new()));
    /// let (squares, report) = chain.run(&Control::new(), |_| {})?;
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// assert!(report.stage("square b").is_some());
    /// # Ok::<(), rave_pipeline::Error>(())
    /// ```
    pub fn deal(self, name: &str, labels: impl IntoIterator<Item = impl Into<String>>) -> (Deal, Vec<Self>) {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let (name, capacity) = (self.named(name), self.capacity());
        let (mut workers, start) = self.close();
        let (ends, starts): (Vec<_>, Vec<_>) = labels.iter().map(|_| queue(capacity)).unzip();
        let ((sender, turns), shares) = (unbounded(), Shares::default());
        let dealt = Dealt { turns: sender, shares: shares.clone() };
        let dealer =
            move |control: &Control, meter: &Arc<Meter>| run_deal(start, ends, &dealt, control, meter);
        workers.push(Worker::new(&name, dealer));
        let lanes = labels.iter().zip(starts).map(|(label, start)| Self::lane(label, start)).collect();
        (Deal { workers, labels, turns, shares }, lanes)
    }
}

impl Deal {
    /// Which lane each item goes to.
    pub fn shares(&self) -> Shares {
        self.shares.clone()
    }

    /// Joins the lanes: items leave in the order in which they were dealt. Items of a lane that is ahead wait in its queues.
    ///
    /// The stages of a lane have to give one item for each that they take, in order, though they may give it late. Any other
    /// number is an error of the run: [`Error::LaneUneven`].
    pub fn merge<T: Send + 'static>(self, name: &str, lanes: Vec<Chain<T>>) -> Chain<T> {
        let Self { mut workers, labels, turns, .. } = self;
        let mut starts = Vec::new();
        for lane in lanes {
            let (lane_workers, start) = lane.close();
            workers.extend(lane_workers);
            starts.push(start);
        }
        let name = name.to_owned();
        let merger = move |output| {
            Worker::new(&name, move |control, meter| {
                let lanes = starts.into_iter().map(|start| Input::new(start, control, meter)).collect();
                let output = Output::new(output, control, meter);
                Merge { lanes, labels, turns, output, control, meter }.run()
            })
        };
        Chain::going_on(workers, merger)
    }
}

/// Where it is said which lane an item went to.
struct Dealt {
    turns: Sender<usize>,
    shares: Shares,
}

fn run_deal<T>(
    input: QueueStart<T>,
    lanes: Vec<QueueEnd<T>>,
    dealt: &Dealt,
    control: &Control,
    meter: &Arc<Meter>,
) -> Ending {
    let input = Input::new(input, control, meter);
    let mut lanes = Outputs::new(lanes, control, meter);
    loop {
        match input.receive(None) {
            Received::Item(item) => {
                let Some(lane) = lanes.send(item) else { return Ending::Cut };
                dealt.shares.note(lane);
                if dealt.turns.send(lane).is_err() {
                    return Ending::Cut;
                }
            }
            Received::End => break,
            Received::Nothing | Received::Dead => return Ending::Cut,
        }
    }
    lanes.end();
    Ending::Complete
}

struct Merge<'a, T> {
    lanes: Vec<Input<T>>,
    labels: Vec<String>,
    /// The lane that each item went to. It ends when everything has been dealt, or the dealer is dead.
    turns: Receiver<usize>,
    output: Output<T>,
    control: &'a Control,
    meter: &'a Arc<Meter>,
}

impl<T> Merge<'_, T> {
    fn run(mut self) -> Ending {
        while let Some(lane) = self.next_turn() {
            match self.lanes.get(lane).map(|lane| lane.receive(None)) {
                Some(Received::Item(item)) => self.output.send(item),
                Some(Received::End) => return self.uneven(lane),
                Some(Received::Nothing | Received::Dead) | None => return Ending::Cut,
            }
            if !self.output.is_open() {
                return Ending::Cut;
            }
        }
        for lane in 0..self.lanes.len() {
            match self.lanes[lane].receive(None) {
                Received::End => {}
                Received::Item(_) => return self.uneven(lane),
                Received::Nothing | Received::Dead => return Ending::Cut,
            }
        }
        self.output.end();
        Ending::Complete
    }

    fn next_turn(&self) -> Option<usize> {
        self.turns.try_recv().ok().or_else(|| self.meter.waiting_for_input(|| self.wait_for_turn()))
    }

    fn wait_for_turn(&self) -> Option<usize> {
        select! {
            recv(self.turns) -> lane => lane.ok(),
            recv(self.control.alarmed()) -> _ => None,
        }
    }

    fn uneven(&self, lane: usize) -> Ending {
        let label = self.labels.get(lane).cloned().unwrap_or_default();
        Ending::Failed(Error::LaneUneven { label }.into())
    }
}
