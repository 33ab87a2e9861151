//! Counting what is allocated in host memory while a job runs.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

/// What threads allocated in host memory while a job ran steadily.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// How often.
    pub count: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// The first ones of each thread.
    pub sites: Vec<AllocationSite>,
}

/// Where a thread allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationSite {
    /// The thread: the name of its stage.
    pub thread: String,
    /// Bytes.
    pub bytes: usize,
    /// The places in this project that led there, file and line, the innermost first.
    pub places: Vec<String>,
}

/// Whether the program's allocator calls [`note_allocation`].
static IS_TOLD: AtomicBool = AtomicBool::new(false);
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static SITES: Mutex<Vec<AllocationSite>> = Mutex::new(Vec::new());

thread_local! {
    /// Set for threads that may allocate, and while an allocation is noted.
    static IS_EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Sites that are kept of one thread.
const SITES_PER_THREAD: usize = 4;

/// Places that are kept of one site.
const PLACES: usize = 4;

/// To be called by a program's global allocator for every allocation, so that [`stress`](crate::stress) can tell whether the
/// job's threads allocate. Costs a few loads unless that is being counted.
///
/// What is not counted:
/// - what libraries allocate that do not use Rust's allocator: FFmpeg, ONNX Runtime, the driver;
/// - packets, whose bytes are as many as they are: reading one, its way through FFmpeg's bitstream filters, and the copy that
///   is kept in case that NVDEC gives up;
/// - the opening of the file again, which a job does once.
pub fn note_allocation(bytes: usize) {
    IS_TOLD.store(true, Ordering::Relaxed);
    if !IS_COUNTING.load(Ordering::Relaxed) {
        return;
    }
    // A thread that ends has none any more, and is past its work.
    let was_exempt = IS_EXEMPT.try_with(|is_exempt| is_exempt.replace(true)).unwrap_or(true);
    if was_exempt {
        return;
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    note_site(bytes);
    let _ = IS_EXEMPT.try_with(|is_exempt| is_exempt.set(false));
}

fn note_site(bytes: usize) {
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    let mut sites = SITES.lock();
    if sites.iter().filter(|site| site.thread == thread).count() < SITES_PER_THREAD {
        let places = own_places(&Backtrace::force_capture().to_string());
        if !sites.iter().any(|site| site.thread == thread && site.places == places) {
            sites.push(AllocationSite { thread, bytes, places });
        }
    }
}

/// The places of a backtrace that are in this project, without what notes them.
fn own_places(backtrace: &str) -> Vec<String> {
    let places = backtrace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let own = places.filter(|place| !place.contains("alloc") && !place.starts_with("/rustc/"));
    let own = own.filter_map(|place| place.find("rave-").map(|start| &place[start..]));
    own.take(PLACES).map(str::to_owned).collect()
}

/// What `work` allocates on this thread is not counted.
pub(super) fn exempt<R>(work: impl FnOnce() -> R) -> R {
    let was_exempt = IS_EXEMPT.with(|is_exempt| is_exempt.replace(true));
    let result = work();
    IS_EXEMPT.with(|is_exempt| is_exempt.set(was_exempt));
    result
}

/// Counts from now on what threads allocate, this one excepted.
pub(super) fn count() {
    IS_EXEMPT.with(|is_exempt| is_exempt.set(true));
    if IS_TOLD.load(Ordering::Relaxed) {
        // The first backtrace reads the program's tables of names, which are kept.
        drop(Backtrace::force_capture().to_string());
    }
    SITES.lock().clear();
    COUNT.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    IS_COUNTING.store(true, Ordering::Relaxed);
}

/// Ends counting.
pub(super) fn stop() {
    IS_COUNTING.store(false, Ordering::Relaxed);
    IS_EXEMPT.with(|is_exempt| is_exempt.set(false));
}

/// What was counted; `None` if the program's allocator does not tell.
pub(super) fn counted() -> Option<Allocations> {
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    IS_TOLD.load(Ordering::Relaxed).then(|| Allocations {
        count: load(&COUNT),
        bytes: load(&BYTES),
        sites: SITES.lock().clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_threads_allocate_while_it_is_counted_is_counted() {
        note_allocation(1);
        count();
        note_allocation(10);
        let other = thread::Builder::new().name("upscale".into()).spawn(|| note_allocation(100)).unwrap();
        other.join().unwrap();
        stop();
        note_allocation(1000);
        let counted = counted().unwrap();
        assert_eq!((counted.count, counted.bytes), (1, 100));
        assert_eq!(counted.sites[0].thread, "upscale");
    }

    #[test]
    fn places_of_the_project_are_found_in_a_backtrace() {
        let text = "   0: std::backtrace\n             at /rustc/1/library/std/src/backtrace.rs:3:4\n   1: note\n             \
            at ./rave-pipeline/src/upscale/allocations.rs:70:9\n   2: convert\n             at ./rave-cuda/src/convert/mod.rs:9:1\n";
        assert_eq!(own_places(text), ["rave-cuda/src/convert/mod.rs:9:1"]);
    }
}
