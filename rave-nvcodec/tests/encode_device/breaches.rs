//! That the double notices when its rules are broken.

use std::ffi::c_void;
use std::ptr;

use super::double::EVENTS;
use super::*;
use rave_cuda::Stream;

/// A client that can do everything wrong.
struct Client {
    table: nvenc::FunctionList,
    encoder: *mut c_void,
    /// One frame of memory.
    frame: rave_cuda::CudaFrame,
    address: u64,
    stream: Stream,
    mode: Mode,
    _library: NvencLibrary,
}

/// Calls a function of the table.
macro_rules! call {
    ($client:expr, $function:ident($($argument:expr),*)) => {
        // SAFETY: the double's functions take any handle; parameters are live values.
        unsafe { $client.table.$function.unwrap()($client.encoder, $($argument),*) }
    };
}

impl Client {
    fn open(double: &Double, pool: &Pool, mode: Mode) -> Self {
        let library = double.library().unwrap();
        let table = library.function_list().unwrap();
        let device = pool.device();
        device.bind().unwrap();
        let mut params = nvenc::OpenEncodeSessionExParams {
            device_type: nvenc::DeviceType::CUDA,
            device: device.context().cu_ctx().cast(),
            api_version: nvenc::API_VERSION,
            ..nvenc::OpenEncodeSessionExParams::versioned()
        };
        let mut encoder = ptr::null_mut();
        // SAFETY: as in `call`.
        let status = unsafe { table.open_encode_session_ex.unwrap()(&mut params, &mut encoder) };
        assert_eq!(status, Status::SUCCESS);
        let video = video(PixelFormat::NV12, SIZE);
        let sample = &clip(&video, Rate::Constant, 1)[0];
        let mut frame = Upload::new(pool, &video).unwrap().upload(sample).unwrap();
        let stream = device.new_stream().unwrap();
        let address = frame.buffer_mut().write(&stream).unwrap().address();
        Self { table, encoder, frame, address, stream, mode, _library: library }
    }

    fn initialize(&self, bframes: i32) -> Status {
        let mut config = nvenc::Config {
            profile_guid: Guid::H264_PROFILE_HIGH,
            gop_length: 30,
            frame_interval_p: bframes + 1,
            frame_field_mode: nvenc::FrameFieldMode::FRAME,
            rc_params: nvenc::RcParams::versioned(),
            ..nvenc::Config::versioned()
        };
        let mut params = nvenc::InitializeParams {
            encode_guid: Guid::CODEC_H264,
            encode_width: SIZE.0,
            encode_height: SIZE.1,
            dar_width: 1,
            dar_height: 1,
            frame_rate_num: 25,
            frame_rate_den: 1,
            enable_ptd: 1,
            enable_encode_async: u32::from(self.mode == Mode::Event),
            tuning_info: nvenc::TuningInfo::HIGH_QUALITY,
            encode_config: &mut config,
            ..nvenc::InitializeParams::versioned()
        };
        let status = call!(self, initialize_encoder(&mut params));
        let mut stream = self.stream.as_raw();
        let address = ptr::from_mut(&mut stream).cast();
        call!(self, set_io_cuda_streams(address, address));
        status
    }

    fn outputs(&self, count: usize) -> Vec<*mut c_void> {
        let create = |_| {
            let mut params = nvenc::CreateBitstreamBuffer::versioned();
            call!(self, create_bitstream_buffer(&mut params));
            params.bitstream_buffer
        };
        (0..count).map(create).collect()
    }

    fn register(&self) -> *mut c_void {
        let mut params = nvenc::RegisterResource {
            resource_type: nvenc::InputResourceType::CUDADEVICEPTR,
            width: SIZE.0,
            height: SIZE.1,
            pitch: self.pitch(),
            resource_to_register: self.address as *mut c_void,
            buffer_format: nvenc::BufferFormat::NV12,
            ..nvenc::RegisterResource::versioned()
        };
        call!(self, register_resource(&mut params));
        params.registered_resource
    }

    fn pitch(&self) -> u32 {
        self.frame.layout().planes()[0].stride_bytes as u32
    }

    fn map(&self, registered: *mut c_void) -> (*mut c_void, Status) {
        let mut params = nvenc::MapInputResource {
            registered_resource: registered,
            ..nvenc::MapInputResource::versioned()
        };
        let status = call!(self, map_input_resource(&mut params));
        (params.mapped_resource, status)
    }

    fn encode(&self, frame: u64, input: *mut c_void, output: *mut c_void) -> Status {
        self.encode_with(frame, input, output, ptr::null_mut())
    }

    /// `event` is set when the picture is coded.
    fn encode_with(&self, frame: u64, input: *mut c_void, output: *mut c_void, event: *mut c_void) -> Status {
        let mut params = nvenc::PicParams {
            input_width: SIZE.0,
            input_height: SIZE.1,
            input_pitch: self.pitch(),
            frame_idx: frame as u32,
            input_time_stamp: frame,
            input_buffer: input,
            output_bitstream: output,
            completion_event: event,
            buffer_fmt: nvenc::BufferFormat::NV12,
            picture_struct: nvenc::PicStruct::FRAME,
            ..nvenc::PicParams::versioned()
        };
        call!(self, encode_picture(&mut params))
    }

    fn lock(&self, output: *mut c_void) -> Status {
        let mut params =
            nvenc::LockBitstream { output_bitstream: output, ..nvenc::LockBitstream::versioned() };
        call!(self, lock_bitstream(&mut params))
    }
}

/// An event that the double knows.
fn registered_event(client: &Client) -> *mut c_void {
    // SAFETY: the double's functions may be called on the thread that made it.
    let event = unsafe { (EVENTS.create)() };
    let mut params = nvenc::EventParams { completion_event: event, ..nvenc::EventParams::versioned() };
    call!(client, register_async_event(&mut params));
    event
}

/// Runs something wrong and gives the breaches that were noted, the last of which is about closing with things in use.
fn breaches(pool: &Pool, mode: Mode, wrong: impl FnOnce(&Client)) -> Vec<String> {
    let double = Double::new(Settings { mode, ..Settings::default() });
    let client = Client::open(&double, pool, mode);
    wrong(&client);
    let breaches = double.breaches();
    call!(client, destroy_encoder());
    breaches
}

#[test]
fn each_breach_is_noted() {
    let Some(pool) = pool() else { return };
    let check = |expected: &str, wrong: &dyn Fn(&Client)| {
        let found = breaches(&pool, Mode::Lock, wrong);
        assert_eq!(found, [expected]);
    };
    check("NvEncCreateBitstreamBuffer: the encoder is not initialised", &|client| drop(client.outputs(1)));
    check("NvEncInitializeEncoder: an encoder is initialised once", &|client| {
        client.initialize(0);
        client.initialize(0);
    });
    check("NvEncMapInputResource: it is mapped already", &|client| {
        client.initialize(0);
        let registered = client.register();
        client.map(registered);
        client.map(registered);
    });
    check("NvEncUnregisterResource: it is mapped", &|client| {
        client.initialize(0);
        let registered = client.register();
        client.map(registered);
        call!(client, unregister_resource(registered));
    });
    check("NvEncRegisterResource: the memory is registered already", &|client| {
        client.initialize(0);
        client.register();
        client.register();
    });
    check("NvEncUnlockBitstream: it is not locked", &|client| {
        client.initialize(0);
        call!(client, unlock_bitstream(client.outputs(1)[0]));
    });
    check("NvEncGetEncodeCaps: version 0x1 in place of 0x7201000c", &|client| {
        let mut params = nvenc::CapsParam { version: 1, ..nvenc::CapsParam::default() };
        let mut value = 0;
        call!(client, get_encode_caps(Guid::CODEC_H264, &mut params, &mut value));
    });
}

#[test]
fn each_breach_while_encoding_is_noted() {
    let Some(pool) = pool() else { return };
    let check = |bframes: i32, expected: &str, wrong: &dyn Fn(&Client, &[*mut c_void], *mut c_void)| {
        let found = breaches(&pool, Mode::Lock, |client| {
            client.initialize(bframes);
            let outputs = client.outputs(6);
            let (input, _) = client.map(client.register());
            wrong(client, &outputs, input);
        });
        assert_eq!(found, [expected]);
    };
    check(2, "NvEncLockBitstream: only after NV_ENC_SUCCESS", &|client, outputs, input| {
        client.encode(0, input, outputs[0]);
        client.lock(outputs[0]);
        call!(client, unlock_bitstream(outputs[0]));
        assert_eq!(client.encode(1, input, outputs[1]), Status::NEED_MORE_INPUT);
        client.lock(outputs[1]);
    });
    check(0, "NvEncUnmapInputResource: its picture was not locked yet", &|client, outputs, input| {
        client.encode(0, input, outputs[0]);
        call!(client, unmap_input_resource(input));
    });
    check(0, "NvEncEncodePicture: the input is in use", &|client, outputs, input| {
        client.encode(0, input, outputs[0]);
        client.encode(1, input, outputs[1]);
    });
    check(0, "NvEncEncodePicture: frameIdx counts up from 0", &|client, outputs, input| {
        client.encode(7, input, outputs[0]);
    });
    check(0, "NvEncDestroyBitstreamBuffer: it is in use", &|client, outputs, input| {
        client.encode(0, input, outputs[0]);
        call!(client, destroy_bitstream_buffer(outputs[0]));
    });
    check(0, "NvEncEncodePicture: the output is locked", &|client, outputs, input| {
        client.encode(0, input, outputs[0]);
        client.lock(outputs[0]);
        client.encode(1, input, outputs[0]);
    });
    check(
        3,
        "NvEncEncodePicture: at least 4 outputs more than B-frames (NvEncCreateBitstreamBuffer)",
        &|client, outputs, input| {
            client.encode(0, input, outputs[0]);
        },
    );
}

#[test]
fn each_breach_of_the_asynchronous_mode_is_noted() {
    let Some(pool) = pool() else { return };
    /// With outputs, an input and an event.
    type Wrong<'a> = &'a dyn Fn(&Client, &[*mut c_void], *mut c_void, *mut c_void);
    let check = |expected: &str, wrong: Wrong<'_>| {
        let found = breaches(&pool, Mode::Event, |client| {
            client.initialize(0);
            let outputs = client.outputs(6);
            let (input, _) = client.map(client.register());
            wrong(client, &outputs, input, registered_event(client));
        });
        assert_eq!(found, [expected]);
    };
    // SAFETY: here and below the event is the double's.
    let wait = |event| unsafe { (EVENTS.wait)(event, 1) };
    check("NvEncEncodePicture: an event in asynchronous mode", &|client, outputs, input, _| {
        client.encode(0, input, outputs[0]);
    });
    check("NvEncLockBitstream: its event is waited for first", &|client, outputs, input, event| {
        client.encode_with(0, input, outputs[0], event);
        client.lock(outputs[0]);
    });
    check("an event: nothing sets it: this would wait for ever", &|client, outputs, input, event| {
        client.encode_with(0, input, outputs[0], event);
        assert_eq!((wait(event), wait(event)), (1, 0));
    });
    check("NvEncUnregisterAsyncEvent: it was not waited for", &|client, outputs, input, event| {
        client.encode_with(0, input, outputs[0], event);
        let mut params = nvenc::EventParams { completion_event: event, ..nvenc::EventParams::versioned() };
        call!(client, unregister_async_event(&mut params));
    });
    check("NvEncUnregisterAsyncEvent: the event is closed before", &|_, _, _, event| {
        // SAFETY: as above.
        unsafe { (EVENTS.close)(event) };
    });
}

#[test]
fn a_session_is_closed_empty_and_then_not_used() {
    let Some(pool) = pool() else { return };
    let double = Double::new(Settings::default());
    let client = Client::open(&double, &pool, Mode::Lock);
    client.initialize(0);
    let (outputs, (input, _)) = (client.outputs(4), client.map(client.register()));
    client.encode(0, input, outputs[0]);
    assert_eq!(double.leaks(), ["mapped input: 1", "registered input: 1", "output: 4", "session: 1"]);
    call!(client, destroy_encoder());
    call!(client, destroy_encoder());
    assert_eq!(
        double.breaches(),
        [
            "NvEncDestroyEncoder: everything is freed first, but there is mapped input: 1, registered input: 1, output: 4",
            "NvEncDestroyEncoder: the encoder is flushed first",
            "NvEncDestroyEncoder: the session is closed",
        ]
    );
}
