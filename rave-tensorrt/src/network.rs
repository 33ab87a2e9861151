use std::ffi::CString;
use std::fmt::Debug;
use std::ptr;

use ort::AsPointer;
use ort::session::{NoSelectedOutputs, RunOptions, Session};
use ort::sys;
use ort::value::{PrimitiveTensorElementType, TensorRef, TensorRefMut};
use rave_core::SampleType;

/// A sample type that tensors hold too.
pub(crate) trait Element: SampleType + PrimitiveTensorElementType + Debug {}
impl Element for f32 {}
impl Element for half::f16 {}

/// A session with one input and one output.
pub(crate) struct Network {
    session: Session,
    input: CString,
    output: CString,
}

impl Network {
    /// # Errors
    /// If the session has not one input and one output.
    pub(crate) fn new(session: Session) -> Result<Self, ort::Error> {
        let ([input], [output]) = (session.inputs(), session.outputs()) else {
            return Err(ort::Error::new("the model has not one input and one output"));
        };
        let (input, output) = (CString::new(input.name())?, CString::new(output.name())?);
        Ok(Self { session, input, output })
    }

    /// Runs the network from one slice into another, without a copy.
    ///
    /// # Errors
    /// ONNX Runtime's, among others if the output would not have `output_shape`.
    pub(crate) fn run_into<T: Element>(
        &mut self,
        (input_shape, input): ([i64; 4], &[T]),
        (output_shape, output): ([i64; 4], &mut [T]),
    ) -> Result<(), ort::Error> {
        let input = TensorRef::from_array_view((input_shape, input))?;
        let output = TensorRefMut::from_array_view_mut((output_shape, output))?;
        // SAFETY: both values borrow slices that live through the call, the output's exclusively, and their shapes were
        // checked against the slices' lengths above.
        unsafe { self.run_values(input.ptr(), output.ptr().cast_mut(), None) }
    }

    /// Runs the network from one value into another.
    ///
    /// # Errors
    /// ONNX Runtime's, among others if the output would have another shape than its value.
    ///
    /// # Safety
    /// - Both values are valid tensors; until the run is over (with a provider that only enqueues: until the work is
    ///   done) their memory is as large as their shapes say, and nobody else writes to it or reads the output.
    pub(crate) unsafe fn run_values(
        &mut self,
        input: *const sys::OrtValue,
        mut output: *mut sys::OrtValue,
        options: Option<&RunOptions<NoSelectedOutputs>>,
    ) -> Result<(), ort::Error> {
        // SAFETY:
        // - the session is valid as long as `self.session`, and `&mut self` makes this its only run at the time;
        // - one name and one value are passed for one input and one output; the names end with a zero;
        // - the values are the caller's promise; `Run` writes into a value that is given, or fails if its shape is not the
        //   result's (onnxruntime_c_api.h, OrtApi::Run), and keeps none of the pointers.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                options.map_or(ptr::null(), AsPointer::ptr),
                &self.input.as_ptr(),
                &input,
                1,
                &self.output.as_ptr(),
                1,
                &mut output,
            )
        };
        // SAFETY: the status comes from ONNX Runtime and is used nowhere else.
        unsafe { ort::Error::result_from_status(status) }
    }

    /// Runs the network on `input` and tells the output's shape.
    pub(crate) fn output_shape<T: Element>(
        &mut self,
        shape: [i64; 4],
        input: &[T],
    ) -> Result<Vec<i64>, ort::Error> {
        let outputs = self.session.run([TensorRef::from_array_view((shape, input))?.into()])?;
        Ok(outputs[0].dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default())
    }
}
