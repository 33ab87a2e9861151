use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;
use std::{env, io, process, thread};

use rave_pipeline::{Control, Error};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

/// The last signal that asked the program to stop.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicI32>);

impl Stop {
    /// 128 and the signal's number, as a shell gives it, if one came.
    pub fn exit_status(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }
}

/// What is dropped when everything is open and the work begins.
pub struct Opening(#[expect(dead_code, reason = "its end is the message")] Sender<Infallible>);

/// From now on, the first signal ends the input, the second abandons the job. While the job is being opened, the first
/// ends the program.
pub fn watch(control: &Control) -> io::Result<(Stop, Opening)> {
    // A file that grows too long is then an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new(wanted())?;
    let stop = Stop::default();
    let (seen, control) = (Arc::clone(&stop.0), control.clone());
    let (opening, opened) = mpsc::channel();
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            seen.store(signal, Ordering::Relaxed);
            if control.is_finishing() {
                control.abandon();
                continue;
            }
            let is_opening = matches!(opened.try_recv(), Err(TryRecvError::Empty));
            if !is_opening {
                say!("rave: finishing the file at this frame; once more to abandon it");
            }
            control.finish();
            if is_opening {
                end_of_opening(&opened, signal);
            }
        }
    })?;
    Ok((stop, Opening(opening)))
}

/// Waits for an opening that sees that it is to end, but not for one that hangs, as that of a pipe without a writer.
fn end_of_opening(opened: &Receiver<Infallible>, signal: i32) {
    const PATIENCE: Duration = Duration::from_secs(1);
    if let Err(RecvTimeoutError::Timeout) = opened.recv_timeout(PATIENCE) {
        say!("rave: abandoned, nothing was written");
        low_level::exit(128 + signal);
    }
}

/// A folder for files that go away with it, whether the program ends by itself or by a signal.
pub struct Scratch(PathBuf);

impl Scratch {
    /// In the system's folder for temporary files.
    pub fn new() -> Result<Self, Error> {
        let path = env::temp_dir().join(format!("rave-{}", process::id()));
        if let Err(source) = fs::create_dir_all(&path) {
            return Err(Error::OutputUnwritable { path, source });
        }
        let scratch = Self(path.clone());
        let mut signals = Signals::new(wanted()).map_err(Error::Thread)?;
        let thread = thread::Builder::new().name("signals".into());
        let spawned = thread.spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let _ = fs::remove_dir_all(&path);
                // Ends the program as the signal would have.
                let _ = low_level::emulate_default_handler(signal);
            }
        });
        spawned.map_err(Error::Thread)?;
        Ok(scratch)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The signals that ask to stop, but for those that whoever started the program wants ignored, as `nohup` does.
fn wanted() -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored(&status);
    [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
}

/// The mask of ignored signals, from the lowest bit on: proc_pid_status(5).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_their_mask() {
        let mask = ignored("Name:\trave\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n");
        assert_eq!((mask >> (SIGHUP - 1) & 1, mask >> (SIGTERM - 1) & 1), (1, 0));
        assert_eq!(ignored(""), 0);
    }
}
