use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use rave_pipeline::Control;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

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

/// From now on, the first signal ends the input, the second abandons the job.
pub fn watch(control: &Control) -> std::io::Result<Stop> {
    // A file that grows too long is then an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let stop = Stop::default();
    let (seen, control) = (Arc::clone(&stop.0), control.clone());
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            seen.store(signal, Ordering::Relaxed);
            if control.is_finishing() {
                control.abandon();
            } else {
                say!("rave: finishing the file at this frame; once more to abandon it");
                control.finish();
            }
        }
    })?;
    Ok(stop)
}
