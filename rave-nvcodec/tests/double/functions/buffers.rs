//! Outputs and inputs.

use std::ffi::c_void;

use rave_nvcodec::sys::nvenc::{self, Status};

use super::super::pictures;
use super::super::rules::{Output, Resource, Session};
use super::{Handle, check_version, on_encoder};

pub unsafe extern "system" fn create_output(
    handle: Handle,
    params: *mut nvenc::CreateBitstreamBuffer,
) -> Status {
    const NAME: &str = "NvEncCreateBitstreamBuffer";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::CreateBitstreamBuffer::VERSION));
        let name = state.new_handle();
        params.bitstream_buffer = name as *mut c_void;
        let session = state.sessions.get_mut(&handle);
        session.into_iter().for_each(|session| drop(session.outputs.insert(name, Output::default())));
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn destroy_output(handle: Handle, output: *mut c_void) -> Status {
    const NAME: &str = "NvEncDestroyBitstreamBuffer";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let has_failed = session.has_failed;
        match session.outputs.remove(&(output as usize)) {
            None => {
                state.breach(NAME, "there is no such output");
                return Status::INVALID_PARAM;
            }
            Some(output) if !has_failed && output.bytes.is_some() => state.breach(NAME, "it is locked"),
            Some(output) if !has_failed && output.is_sent => state.breach(NAME, "it is in use"),
            Some(_) => {}
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn register(handle: Handle, params: *mut nvenc::RegisterResource) -> Status {
    const NAME: &str = "NvEncRegisterResource";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::RegisterResource::VERSION));
        let rules = [
            (params.resource_type == nvenc::InputResourceType::CUDADEVICEPTR, "resourceType"),
            (!params.resource_to_register.is_null(), "resourceToRegister"),
            (params.buffer_usage == nvenc::BufferUsage::INPUT_IMAGE, "bufferUsage"),
            (pictures::layout(params).is_some(), "format, size and pitch"),
            (params.sub_resource_index == 0 && params.reserved1 == [0; 246], "reserved"),
        ];
        rules.iter().filter(|(holds, _)| !holds).for_each(|(_, rule)| state.breach(NAME, rule));
        let name = state.new_handle();
        params.registered_resource = name as *mut c_void;
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let address = params.resource_to_register;
        let is_known = session.resources.values().any(|other| other.params.resource_to_register == address);
        session.resources.insert(name, Resource { params: *params, is_mapped: false });
        if is_known {
            state.breach(NAME, "the memory is registered already");
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn unregister(handle: Handle, resource: *mut c_void) -> Status {
    const NAME: &str = "NvEncUnregisterResource";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let has_failed = session.has_failed;
        match session.resources.remove(&(resource as usize)) {
            None => {
                state.breach(NAME, "it is not registered");
                return Status::RESOURCE_NOT_REGISTERED;
            }
            Some(resource) if resource.is_mapped && !has_failed => state.breach(NAME, "it is mapped"),
            Some(_) => {}
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn map(handle: Handle, params: *mut nvenc::MapInputResource) -> Status {
    const NAME: &str = "NvEncMapInputResource";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::MapInputResource::VERSION));
        let mapped = state.new_handle();
        let registered = params.registered_resource as usize;
        let session = state.sessions.get_mut(&handle);
        let Some((session, resource)) = session.and_then(|session| {
            let Session { resources, mappings, .. } = session;
            Some((mappings, resources.get_mut(&registered)?))
        }) else {
            state.breach(NAME, "it is not registered");
            return Status::RESOURCE_NOT_REGISTERED;
        };
        let was_mapped = std::mem::replace(&mut resource.is_mapped, true);
        params.mapped_resource = mapped as *mut c_void;
        params.mapped_buffer_fmt = resource.params.buffer_format;
        session.insert(mapped, registered);
        if was_mapped {
            state.breach(NAME, "it is mapped already");
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn unmap(handle: Handle, mapped: *mut c_void) -> Status {
    const NAME: &str = "NvEncUnmapInputResource";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let mapped = mapped as usize;
        let Some(registered) = session.mappings.remove(&mapped) else {
            state.breach(NAME, "it is not mapped");
            return Status::RESOURCE_NOT_MAPPED;
        };
        let resource = session.resources.get_mut(&registered);
        resource.into_iter().for_each(|resource| resource.is_mapped = false);
        let mut inputs = session.encoder.iter().flat_map(|encoder| encoder.inputs.values());
        if inputs.any(|input| input.mapped == mapped) && !session.has_failed {
            state.breach(NAME, "its picture was not locked yet");
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn register_event(handle: Handle, params: *mut nvenc::EventParams) -> Status {
    const NAME: &str = "NvEncRegisterAsyncEvent";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::EventParams::VERSION));
        let event = params.completion_event as usize;
        if !state.events.contains(&event) {
            state.breach(NAME, "there is no such event");
            return Status::INVALID_EVENT;
        }
        let session = state.sessions.get_mut(&handle);
        if session.is_some_and(|session| session.events.insert(event, None).is_some()) {
            state.breach(NAME, "it is registered already");
        }
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn unregister_event(handle: Handle, params: *mut nvenc::EventParams) -> Status {
    const NAME: &str = "NvEncUnregisterAsyncEvent";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::EventParams::VERSION));
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let has_failed = session.has_failed;
        match session.events.remove(&(params.completion_event as usize)) {
            None => {
                state.breach(NAME, "it is not registered");
                return Status::EVENT_NOT_REGISTERD;
            }
            Some(Some(_)) if !has_failed => state.breach(NAME, "it was not waited for"),
            Some(_) => {}
        }
        Status::SUCCESS
    })
}
