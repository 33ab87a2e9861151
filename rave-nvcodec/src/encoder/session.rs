use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use cudarc::driver::sys::CUstream;
use rave_cuda::{Device, Stream};

use super::{EncodeError, NvencCodec, NvencPreset};
use crate::events::EventFunctions;
use crate::library::NvencLibrary;
use crate::sys::nvenc::{self, Caps, Guid, Status};

/// Calls a function of the session: `call!(session, field("NVIDIA's name", arguments...))`.
///
/// Each call is sound for the same reasons, which [`Session`] lists; pointers in the arguments are to live values.
macro_rules! call {
    ($session:expr, $function:ident($name:literal $(, $argument:expr)*)) => {
        match $session.functions.$function {
            Some(function) => {
                // SAFETY: the invariants of `Session`; the arguments are valid for the call.
                let status = unsafe { function($session.encoder $(, $argument)*) };
                $session.check($name, status)
            }
            None => Err(EncodeError::MissingFunction { function: $name }),
        }
    };
}

mod guards;

pub(super) use guards::{Completion, Mapping, OutputBuffer, Registration};

/// An open session of NVENC, closed when it is dropped. What belongs to it holds it by an [`Arc`].
///
/// What makes calls sound:
/// - the table and the handle came from the library, which is kept loaded;
/// - the device, whose context the session was opened on, is kept;
/// - [`NvEncoder`](super::NvEncoder) has `&mut self` wherever it calls, so that there is one call at a time;
/// - structs are made by `versioned()` and have the layouts that tests assert.
pub(super) struct Session {
    encoder: nvenc::Encoder,
    functions: nvenc::FunctionList,
    gpu: String,
    /// For the asynchronous mode; `None` in the synchronous one.
    events: Option<EventFunctions>,
    /// The stream's handle, at an address that stays for as long as the session.
    stream: Option<Box<(CUstream, Stream)>>,
    device: Device,
    library: NvencLibrary,
}

// SAFETY: NVENC lets threads change between calls (the guide's section on threading has one that submits and one that
// collects), and calls are made one at a time.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

/// Whether a frame went into the encoder at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Submitted {
    /// This frame and all that waited are being encoded.
    Ready,
    /// It waits for the frames that it will refer to.
    NeedsMoreInput,
}

impl Session {
    pub(super) fn open(library: &NvencLibrary, device: &Device) -> Result<Self, EncodeError> {
        const OPEN: &str = "nvEncOpenEncodeSessionEx";
        let functions = library.function_list()?;
        let open = functions.open_encode_session_ex.ok_or(EncodeError::MissingFunction { function: OPEN })?;
        let gpu = device.info()?.name;
        device.bind()?;
        let mut params = nvenc::OpenEncodeSessionExParams {
            device_type: nvenc::DeviceType::CUDA,
            device: device.context().cu_ctx().cast(),
            api_version: nvenc::API_VERSION,
            ..nvenc::OpenEncodeSessionExParams::versioned()
        };
        let mut encoder = ptr::null_mut();
        // SAFETY: the table came from the library; both pointers are to live values; the context is the device's.
        let status = unsafe { open(&mut params, &mut encoder) };
        let session = Self {
            encoder,
            functions,
            gpu,
            events: None,
            stream: None,
            device: device.clone(),
            library: library.clone(),
        };
        match status {
            Status::SUCCESS => Ok(session),
            // A handle that a refusal may have left is given back by the drop.
            status => Err(refusal(&session.gpu, OPEN, status)),
        }
    }

    pub(super) fn gpu(&self) -> &str {
        &self.gpu
    }

    pub(super) fn bind(&self) -> Result<(), EncodeError> {
        Ok(self.device.bind()?)
    }

    fn check(&self, function: &'static str, status: Status) -> Result<(), EncodeError> {
        let lost = matches!(
            status,
            Status::INVALID_DEVICE | Status::DEVICE_NOT_EXIST | Status::INVALID_ENCODERDEVICE
        );
        match status {
            Status::SUCCESS => Ok(()),
            _ if lost => Err(EncodeError::DeviceLost { function, status }),
            // A state, not an error: the driver has no words for it.
            Status::NEED_MORE_INPUT => Err(EncodeError::Call { function, status, detail: String::new() }),
            Status::OUT_OF_MEMORY => {
                Err(EncodeError::OutOfMemory { function, status, detail: self.last_error() })
            }
            _ => Err(EncodeError::Call { function, status, detail: self.last_error() }),
        }
    }

    fn last_error(&self) -> String {
        let Some(function) = self.functions.get_last_error_string else { return String::new() };
        // SAFETY: the invariants of `Session`.
        let text = unsafe { function(self.encoder) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: it is not null, and ends with a zero (`NvEncGetLastErrorString`).
        unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
    }

    pub(super) fn codecs(&self) -> Result<Vec<Guid>, EncodeError> {
        let mut count = 0;
        call!(self, get_encode_guid_count("nvEncGetEncodeGUIDCount", &mut count))?;
        let mut guids = vec![Guid::default(); count as usize];
        let list = guids.as_mut_ptr();
        let mut found = 0;
        call!(self, get_encode_guids("nvEncGetEncodeGUIDs", list, count, &mut found))?;
        guids.truncate(found as usize);
        Ok(guids)
    }

    pub(super) fn profiles(&self, codec: NvencCodec) -> Result<Vec<Guid>, EncodeError> {
        let (mut count, codec) = (0, codec.guid());
        call!(self, get_encode_profile_guid_count("nvEncGetEncodeProfileGUIDCount", codec, &mut count))?;
        let mut guids = vec![Guid::default(); count as usize];
        let list = guids.as_mut_ptr();
        let mut found = 0;
        call!(self, get_encode_profile_guids("nvEncGetEncodeProfileGUIDs", codec, list, count, &mut found))?;
        guids.truncate(found as usize);
        Ok(guids)
    }

    pub(super) fn input_formats(&self, codec: NvencCodec) -> Result<Vec<nvenc::BufferFormat>, EncodeError> {
        let (mut count, codec) = (0, codec.guid());
        call!(self, get_input_format_count("nvEncGetInputFormatCount", codec, &mut count))?;
        let mut formats = vec![nvenc::BufferFormat::default(); count as usize];
        let list = formats.as_mut_ptr();
        let mut found = 0;
        call!(self, get_input_formats("nvEncGetInputFormats", codec, list, count, &mut found))?;
        formats.truncate(found as usize);
        Ok(formats)
    }

    pub(super) fn capability(&self, codec: NvencCodec, caps: Caps) -> Result<i32, EncodeError> {
        let mut params = nvenc::CapsParam { caps_to_query: caps, ..nvenc::CapsParam::versioned() };
        let mut value: c_int = 0;
        call!(self, get_encode_caps("nvEncGetEncodeCaps", codec.guid(), &mut params, &mut value))?;
        Ok(value)
    }

    /// Chooses the asynchronous mode where there are events and the GPU has it for the codec (programming guide,
    /// "Asynchronous Mode"); returns what `enableEncodeAsync` is.
    pub(super) fn choose_mode(&mut self, codec: NvencCodec) -> Result<u32, EncodeError> {
        if let Some(events) = self.library.events() {
            let has_mode = self.capability(codec, Caps::ASYNC_ENCODE_SUPPORT)? != 0;
            self.events = Some(events).filter(|_| has_mode);
        }
        Ok(u32::from(self.events.is_some()))
    }

    /// What a preset stands for.
    pub(super) fn preset(
        &self,
        codec: NvencCodec,
        preset: NvencPreset,
        tuning: nvenc::TuningInfo,
    ) -> Result<nvenc::Config, EncodeError> {
        let mut params = nvenc::PresetConfig {
            preset_cfg: nvenc::Config::versioned(),
            ..nvenc::PresetConfig::versioned()
        };
        let (codec, preset) = (codec.guid(), preset.guid());
        call!(
            self,
            get_encode_preset_config_ex("nvEncGetEncodePresetConfigEx", codec, preset, tuning, &mut params)
        )?;
        Ok(nvenc::Config { version: nvenc::Config::VERSION, ..params.preset_cfg })
    }

    /// Makes the encoder; its CUDA work goes to `stream`.
    pub(super) fn initialize(
        &mut self,
        params: &nvenc::InitializeParams,
        config: &nvenc::Config,
        stream: &Stream,
    ) -> Result<(), EncodeError> {
        let mut config = *config;
        let mut params = nvenc::InitializeParams { encode_config: &mut config, ..*params };
        call!(self, initialize_encoder("nvEncInitializeEncoder", &mut params))?;
        let kept = self.stream.insert(Box::new((stream.as_raw(), stream.clone())));
        let address: *mut c_void = ptr::from_mut(&mut kept.0).cast();
        call!(self, set_io_cuda_streams("nvEncSetIOCudaStreams", address, address))
    }

    pub(super) fn reconfigure(
        &self,
        params: &nvenc::InitializeParams,
        config: &nvenc::Config,
    ) -> Result<(), EncodeError> {
        let mut config = *config;
        let mut params = nvenc::ReconfigureParams {
            re_init_encode_params: nvenc::InitializeParams { encode_config: &mut config, ..*params },
            ..nvenc::ReconfigureParams::versioned()
        };
        call!(self, reconfigure_encoder("nvEncReconfigureEncoder", &mut params))
    }

    /// The parameter sets: SPS and PPS (and VPS) with start codes, or the sequence header OBU.
    pub(super) fn parameter_sets(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = vec![0; nvenc::MAX_SEQ_HDR_LEN as usize];
        let mut len = 0;
        let mut params = nvenc::SequenceParamPayload {
            in_buffer_size: nvenc::MAX_SEQ_HDR_LEN,
            sps_pps_buffer: bytes.as_mut_ptr().cast(),
            out_sps_pps_payload_size: &mut len,
            ..nvenc::SequenceParamPayload::versioned()
        };
        call!(self, get_sequence_params("nvEncGetSequenceParams", &mut params))?;
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    pub(super) fn encode(&self, params: &mut nvenc::PicParams) -> Result<Submitted, EncodeError> {
        match call!(self, encode_picture("nvEncEncodePicture", params)) {
            Ok(()) => Ok(Submitted::Ready),
            Err(EncodeError::Call { status: Status::NEED_MORE_INPUT, .. }) => Ok(Submitted::NeedsMoreInput),
            Err(error) => Err(error),
        }
    }

    /// Tells the encoder that no frame follows, which makes all packets ready: at once, or when the event is set.
    pub(super) fn flush(&self, completion: Option<&Completion>) -> Result<(), EncodeError> {
        let mut params = nvenc::PicParams {
            encode_pic_flags: nvenc::PicFlags::EOS.0,
            completion_event: Completion::begin(completion),
            ..nvenc::PicParams::versioned()
        };
        call!(self, encode_picture("nvEncEncodePicture", &mut params))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.encoder.is_null() {
            return;
        }
        // What fails here has no one to hear of it; the driver cleans up when the process ends.
        let _ = self.device.bind();
        let _ = call!(self, destroy_encoder("nvEncDestroyEncoder"));
    }
}

/// Why no session was opened.
fn refusal(gpu: &str, function: &'static str, status: Status) -> EncodeError {
    let gpu = gpu.to_owned();
    match status {
        Status::NO_ENCODE_DEVICE | Status::UNSUPPORTED_DEVICE => EncodeError::NoEncoder { gpu },
        // Drivers say either when the number of sessions is used up.
        Status::OUT_OF_MEMORY | Status::INCOMPATIBLE_CLIENT_KEY => EncodeError::SessionLimit { gpu, status },
        Status::INVALID_DEVICE | Status::DEVICE_NOT_EXIST => EncodeError::DeviceLost { function, status },
        status => EncodeError::Call { function, status, detail: String::new() },
    }
}
