//! Runs the kernels' own sources on the host, thread after thread, so that their arithmetic and their indices are tested
//! on machines without a GPU. What it cannot show: memory ordering, and that the driver accepts the PTX.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libloading::Library;

use crate::kernels::{Launch, Topic};
use crate::params::Params;

type Kernel = unsafe extern "C" fn(*const [u32; 3], *const [u32; 3], *const c_void);

/// The kernels, compiled for the host; `None`, with a reason printed, where there is no C++ compiler.
pub(crate) struct Emulator {
    libraries: Vec<(Topic, Library)>,
}

impl Emulator {
    pub(crate) fn get() -> Option<&'static Self> {
        static EMULATOR: OnceLock<Option<Emulator>> = OnceLock::new();
        EMULATOR.get_or_init(Self::build).as_ref()
    }

    fn build() -> Option<Self> {
        if !kernels().is_dir() {
            println!("skipped: this program was carried away from its sources");
            return None;
        }
        if Command::new("c++").arg("--version").output().is_err() {
            println!("skipped: there is no C++ compiler to build the kernels for the host");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let load = |&topic: &Topic| (topic, Self::load(topic, folder.path()));
        Some(Self { libraries: Topic::ALL.iter().map(load).collect() })
    }

    fn load(topic: Topic, folder: &Path) -> Library {
        let source = kernels().join(format!("{}.cu", topic.name()));
        let library: PathBuf = folder.join(format!("{}.so", topic.name()));
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
        compiler.args(["-Wall", "-Werror", "-Wno-unknown-pragmas", "-x", "c++"]);
        let output = compiler.arg(source).arg("-o").arg(&library).output().expect("the compiler starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was made from this crate's own sources and has no initialisers.
        unsafe { Library::new(library) }.expect("what was just built can be loaded")
    }

    /// Runs a launch whose addresses are those of host memory.
    ///
    /// # Safety
    /// The addresses must be valid for the planes that the parameters describe, and nobody else may use them meanwhile.
    pub(crate) unsafe fn run(&self, launch: &Launch) {
        static ONE_AT_A_TIME: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let topic = launch.entry.topic;
        let (_, library) = self.libraries.iter().find(|(of, _)| *of == topic).expect("every topic is built");
        let triple = |(x, y, z): (u32, u32, u32)| [x, y, z];
        let (grid, block) = (triple(launch.geometry.grid), triple(launch.geometry.block));
        // SAFETY: KERNEL in kernels/host.h gives every kernel this signature; the parameters are the kernel's (their
        // sizes are asserted on both sides), what they point to is the caller's promise.
        unsafe {
            let kernel = library.get::<Kernel>(launch.entry.name.as_bytes()).expect("the kernel is there");
            kernel(&raw const grid, &raw const block, Params::as_ptr(&launch.params).cast());
        }
    }
}

fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}
