use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};
use cudarc::driver::{CudaContext, CudaEvent, CudaFunction, DriverError, result};
use cudarc::nvrtc::Ptx;
use parking_lot::Mutex;

use crate::error::{During, Error};
use crate::kernels::{Entry, Topic};
use crate::stream::Stream;
use crate::timer::timing_event;

/// The CUDA version whose PTX (ISA 8.4) is built in; drivers from 550 on support it.
const NEEDED_CUDA: (u32, u32) = (12, 4);
/// The compute capability that the PTX is made for.
const NEEDED_CAPABILITY: (u32, u32) = (7, 5);

/// What there is to know about a GPU without working on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The number by which it is opened, counted from 0 in the driver's order.
    pub ordinal: usize,
    /// The maker's name.
    pub name: String,
    /// Compute capability, major and minor.
    pub compute_capability: (u32, u32),
    /// Number of streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory, in bytes.
    pub total_bytes: usize,
    /// Memory that nobody uses at the moment, in bytes.
    pub free_bytes: usize,
    /// The driver's own version, such as `580.82.07`, where the system says it.
    pub driver_version: Option<String>,
    /// The CUDA version that the driver supports, major and minor.
    pub cuda_version: (u32, u32),
    /// The GPU's UUID in the form of `nvidia-smi`.
    pub uuid: String,
    /// PCI domain, bus and device, such as `0000:1b:00.0`.
    pub pci_bus_id: String,
}

/// An opened GPU: the driver's primary context on it, and the kernels. Clones are the same device.
#[derive(Clone)]
pub struct Device {
    inner: Arc<Inner>,
}

struct Inner {
    context: Arc<CudaContext>,
    functions: Mutex<HashMap<Entry, CudaFunction>>,
    epoch: Mutex<Option<Arc<CudaEvent>>>,
}

impl Device {
    /// Opens the GPU of this number.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`], [`Error::Ordinal`], [`Error::DriverTooOld`], [`Error::DeviceTooOld`];
    /// [`Error::Cuda`] for anything else that the driver says.
    pub fn open(ordinal: usize) -> Result<Self, Error> {
        let count = count()?;
        if ordinal >= count {
            return Err(Error::Ordinal { ordinal, count });
        }
        let context = CudaContext::new(ordinal).during("open the GPU")?;
        // SAFETY: the context was just retained. cudarc does the same unless the handle is current already; but then it may
        // be that of a context that was given back since, for a primary context keeps its handle.
        unsafe { result::ctx::set_current(context.cu_ctx()) }.during("bind the GPU to a thread")?;
        check_capability(&context)?;
        Ok(Self { inner: Arc::new(Inner { context, functions: Mutex::default(), epoch: Mutex::default() }) })
    }

    /// Every GPU that the driver shows to this process. Each is opened for a moment to ask for its free memory.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`], [`Error::DriverTooOld`]; [`Error::Cuda`] if one does not answer.
    pub fn list() -> Result<Vec<DeviceInfo>, Error> {
        (0..count()?).map(ask).collect()
    }

    /// What is known about this GPU, its free memory as of now.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the driver does not answer.
    pub fn info(&self) -> Result<DeviceInfo, Error> {
        info(self.inner.context.ordinal(), &self.inner.context)
    }

    /// The number by which it was opened.
    pub fn ordinal(&self) -> usize {
        self.inner.context.ordinal()
    }

    /// Makes this device's context the calling thread's. Everything in this crate does so itself; it is for threads
    /// that call the driver directly or through another library.
    ///
    /// # Errors
    /// [`Error::Cuda`] if an earlier asynchronous call failed, or the context is lost.
    pub fn bind(&self) -> Result<(), Error> {
        self.inner.context.bind_to_thread().during("bind the GPU to a thread")
    }

    /// A new stream, which is not ordered with any other.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the driver cannot make one.
    pub fn new_stream(&self) -> Result<Stream, Error> {
        Ok(Stream::new(self.inner.context.new_stream().during("create a stream")?))
    }

    /// cudarc's context, for crates that build on this one.
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.inner.context
    }

    /// An event in the past from which the times of all work on this device count.
    pub(crate) fn epoch(&self) -> Result<Arc<CudaEvent>, Error> {
        let mut epoch = self.inner.epoch.lock();
        if let Some(epoch) = &*epoch {
            return Ok(Arc::clone(epoch));
        }
        let (event, stream) = (timing_event(&self.inner.context)?, self.new_stream()?);
        event.record(stream.cudarc()).during("record an event")?;
        stream.synchronize()?;
        Ok(Arc::clone(epoch.insert(Arc::new(event))))
    }

    /// Loads every kernel of a file, so that a missing one is found before the first frame.
    pub(crate) fn load(&self, topic: Topic) -> Result<(), Error> {
        let mut functions = self.inner.functions.lock();
        if functions.keys().any(|entry| entry.topic == topic) {
            return Ok(());
        }
        let refused = |source| Error::KernelLoad { topic: topic.name(), source };
        let module = self.inner.context.load_module(Ptx::from_src(topic.ptx())).map_err(refused)?;
        for &name in topic.entries() {
            functions.insert(Entry { topic, name }, module.load_function(name).map_err(refused)?);
        }
        Ok(())
    }

    pub(crate) fn function(&self, entry: Entry) -> Result<CudaFunction, Error> {
        self.load(entry.topic)?;
        let missing = DriverError(CUresult::CUDA_ERROR_NOT_FOUND);
        let found = self.inner.functions.lock().get(&entry).cloned();
        found.ok_or(Error::KernelLoad { topic: entry.topic.name(), source: missing })
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.ordinal())
    }
}

/// How many GPUs there are: at least one. This is what must be asked first, since cudarc panics without a driver.
fn count() -> Result<usize, Error> {
    // SAFETY: loading the driver's library runs its initialisers, which is what every user of CUDA does.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    let found = cuda_version()?;
    if found < NEEDED_CUDA {
        return Err(Error::DriverTooOld { found, needed: NEEDED_CUDA });
    }
    match result::init() {
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => return Err(Error::NoDevice),
        other => other.during("initialise the NVIDIA driver")?,
    }
    match result::device::get_count().during("count the GPUs")? {
        count @ 1.. => Ok(count.unsigned_abs() as usize),
        _ => Err(Error::NoDevice),
    }
}

/// Opens a GPU for as long as it takes to ask. Giving its context back would leave it current on this thread, though it may
/// be gone: what was current before is again.
fn ask(ordinal: usize) -> Result<DeviceInfo, Error> {
    const BIND: &str = "bind the GPU to a thread";
    let before = result::ctx::get_current().during(BIND)?;
    let opened = CudaContext::new(ordinal).during("open the GPU");
    let answer = opened.and_then(|context| info(ordinal, &context));
    // SAFETY: it was current when this began, and nothing here destroys it; null means none.
    unsafe { result::ctx::set_current(before.unwrap_or(std::ptr::null_mut())) }.during(BIND)?;
    answer
}

fn cuda_version() -> Result<(u32, u32), Error> {
    let mut version: c_int = 0;
    // SAFETY: the pointer is to a local; the call needs no initialisation.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().during("ask for the driver's version")?;
    Ok(split_version(version.unsigned_abs()))
}

/// 12040 is CUDA 12.4.
const fn split_version(version: u32) -> (u32, u32) {
    (version / 1000, version % 1000 / 10)
}

fn check_capability(context: &CudaContext) -> Result<(), Error> {
    let capability = capability(context)?;
    if capability < NEEDED_CAPABILITY {
        let name = context.name().during("ask for a GPU's name")?;
        return Err(Error::DeviceTooOld { name, capability });
    }
    Ok(())
}

fn capability(context: &CudaContext) -> Result<(u32, u32), Error> {
    let (major, minor) = context.compute_capability().during("ask for a GPU's compute capability")?;
    Ok((major.unsigned_abs(), minor.unsigned_abs()))
}

fn info(ordinal: usize, context: &CudaContext) -> Result<DeviceInfo, Error> {
    const ASK: &str = "ask for a GPU's properties";
    let (free_bytes, total_bytes) = context.mem_get_info().during(ASK)?;
    let multiprocessors =
        context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT).during(ASK)?;
    Ok(DeviceInfo {
        ordinal,
        name: context.name().during(ASK)?,
        compute_capability: capability(context)?,
        multiprocessors: multiprocessors.unsigned_abs(),
        total_bytes,
        free_bytes,
        driver_version: driver_version(),
        cuda_version: cuda_version()?,
        uuid: format_uuid(context.uuid().during(ASK)?.bytes.map(|byte| byte as u8)),
        pci_bus_id: pci_bus_id(context)?,
    })
}

/// The CUDA driver API does not tell its own version; the kernel module does.
fn driver_version() -> Option<String> {
    let text = std::fs::read_to_string("/sys/module/nvidia/version").ok();
    text.map(|text| text.trim().to_string()).or_else(|| {
        let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
        version_in(&text).map(String::from)
    })
}

/// The first word that looks like a version, digits and dots, in the module's greeting.
fn version_in(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        word.contains('.') && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    text.split_whitespace().find(is_version)
}

fn format_uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("GPU-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn pci_bus_id(context: &CudaContext) -> Result<String, Error> {
    let mut text: [c_char; 32] = [0; 32];
    // SAFETY: the driver writes at most the given length, its closing zero included.
    unsafe { sys::cuDeviceGetPCIBusId(text.as_mut_ptr(), text.len() as c_int, context.cu_device()) }
        .result()
        .during("ask for a GPU's PCI bus")?;
    // SAFETY: the buffer began as zeros and the driver ends what it writes with one.
    let text = unsafe { CStr::from_ptr(text.as_ptr()) };
    Ok(text.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_split() {
        assert_eq!(split_version(12040), (12, 4));
        assert_eq!(split_version(13000), (13, 0));
        assert_eq!(split_version(11080), (11, 8));
    }

    #[test]
    fn the_driver_module_greets_with_its_version() {
        let text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build";
        assert_eq!(version_in(text), Some("580.82.07"));
        assert_eq!(version_in("nothing"), None);
    }

    #[test]
    fn a_uuid_reads_like_that_of_nvidia_smi() {
        let bytes = std::array::from_fn(|index| index as u8 * 0x11);
        assert_eq!(format_uuid(bytes), "GPU-00112233-4455-6677-8899-aabbccddeeff");
    }
}
