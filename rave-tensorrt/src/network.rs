use std::ffi::{CString, c_void};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use half::f16;
use ort::AsPointer;
use ort::memory::MemoryInfo;
use ort::session::{NoSelectedOutputs, RunOptions, Session};
use ort::sys::{self, ONNXTensorElementDataType as Kind};
use ort::value::{PrimitiveTensorElementType, TensorRef};
use rave_core::SampleType;

/// A sample type that tensors hold too.
pub(crate) trait Element: SampleType + PrimitiveTensorElementType + Debug {
    /// What ONNX Runtime calls it.
    const KIND: Kind;

    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;

    /// Whether there is neither NaN nor infinity among them.
    fn are_finite(samples: &[Self]) -> bool;
}

impl Element for f32 {
    const KIND: Kind = Kind::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;

    fn from_f32(value: f32) -> Self {
        value
    }

    fn to_f32(self) -> f32 {
        self
    }

    fn are_finite(samples: &[Self]) -> bool {
        const EXPONENT: u32 = 0x7f80_0000;
        samples.chunks(LOOKED_AT_TOGETHER).all(|chunk| {
            let found = chunk
                .iter()
                .fold(0, |found, sample| found | u32::from(sample.to_bits() & EXPONENT == EXPONENT));
            found == 0
        })
    }
}

impl Element for f16 {
    const KIND: Kind = Kind::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;

    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn to_f32(self) -> f32 {
        self.to_f32()
    }

    fn are_finite(samples: &[Self]) -> bool {
        const EXPONENT: u16 = 0x7c00;
        samples.chunks(LOOKED_AT_TOGETHER).all(|chunk| {
            let found = chunk
                .iter()
                .fold(0, |found, sample| found | u16::from(sample.to_bits() & EXPONENT == EXPONENT));
            found == 0
        })
    }
}

/// Samples of a loop without an exit, which the compiler turns into vector instructions.
const LOOKED_AT_TOGETHER: usize = 4096;

/// A tensor of ONNX Runtime's over memory that it does not own, for as long as `'a`. Other than `ort`'s own it takes no memory of
/// Rust's allocator, which would be every time.
pub(crate) struct Value<'a>(NonNull<sys::OrtValue>, PhantomData<&'a ()>);

/// What a tensor holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorKind {
    pub(crate) element: Kind,
    pub(crate) element_bytes: usize,
}

impl TensorKind {
    pub(crate) const fn of<T: Element>() -> Self {
        Self { element: T::KIND, element_bytes: size_of::<T>() }
    }

    /// What a tensor of this shape takes, in bytes.
    fn size_bytes(self, shape: [i64; 4]) -> usize {
        shape.iter().product::<i64>() as usize * self.element_bytes
    }
}

impl<'a> Value<'a> {
    /// A tensor at `address` in the memory that `memory` names. Only what runs on it needs the memory to be there.
    ///
    /// # Errors
    /// ONNX Runtime's.
    pub(crate) fn new(
        memory: &MemoryInfo<'_>,
        address: *mut c_void,
        shape: [i64; 4],
        kind: TensorKind,
    ) -> Result<Self, ort::Error> {
        let mut value = ptr::null_mut();
        // SAFETY: the memory is described, not touched; shape and memory information live through the call.
        let status = unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                memory.ptr(),
                address,
                kind.size_bytes(shape),
                shape.as_ptr(),
                shape.len(),
                kind.element,
                &raw mut value,
            )
        };
        // SAFETY: the status comes from ONNX Runtime and is used nowhere else.
        unsafe { ort::Error::result_from_status(status) }?;
        let value = NonNull::new(value).ok_or_else(|| ort::Error::new("ONNX Runtime made no tensor"))?;
        Ok(Self(value, PhantomData))
    }

    /// A tensor that is only read, in a slice that has its size.
    fn of<T: Element>(
        memory: &MemoryInfo<'_>,
        samples: &'a [T],
        shape: [i64; 4],
    ) -> Result<Self, ort::Error> {
        check_size::<T>(samples.len(), shape)?;
        Self::new(memory, samples.as_ptr().cast_mut().cast(), shape, TensorKind::of::<T>())
    }

    /// A tensor in a slice that has its size.
    fn of_mut<T: Element>(
        memory: &MemoryInfo<'_>,
        samples: &'a mut [T],
        shape: [i64; 4],
    ) -> Result<Self, ort::Error> {
        check_size::<T>(samples.len(), shape)?;
        Self::new(memory, samples.as_mut_ptr().cast(), shape, TensorKind::of::<T>())
    }

    pub(crate) const fn as_ptr(&self) -> *mut sys::OrtValue {
        self.0.as_ptr()
    }
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made by ONNX Runtime and is released once.
        unsafe { (ort::api().ReleaseValue)(self.0.as_ptr()) };
    }
}

fn check_size<T: Element>(samples: usize, shape: [i64; 4]) -> Result<(), ort::Error> {
    match TensorKind::of::<T>().size_bytes(shape) == samples * size_of::<T>() {
        true => Ok(()),
        false => Err(ort::Error::new(format!("{samples} samples are no tensor of {shape:?}"))),
    }
}

/// A session with one input and one output.
pub(crate) struct Network {
    session: Session,
    input: CString,
    output: CString,
    /// Of slices.
    host_memory: MemoryInfo<'static>,
}

impl Network {
    /// # Errors
    /// If the session has not one input and one output.
    pub(crate) fn new(session: Session) -> Result<Self, ort::Error> {
        let ([input], [output]) = (session.inputs(), session.outputs()) else {
            return Err(ort::Error::new("the model has not one input and one output"));
        };
        let (input, output) = (CString::new(input.name())?, CString::new(output.name())?);
        Ok(Self { session, input, output, host_memory: MemoryInfo::default() })
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
        let input = Value::of(&self.host_memory, input, input_shape)?;
        let output = Value::of_mut(&self.host_memory, output, output_shape)?;
        // SAFETY: both values borrow slices that live through the call, the output's exclusively, and have the slices' lengths.
        unsafe { self.run_values(input.as_ptr(), output.as_ptr(), None) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_that_is_not_finite_is_found_anywhere() {
        let finite = [0.0_f32, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-45];
        let (mut single, mut half) = (finite.repeat(1500), vec![f16::MAX; 9000]);
        assert!(f32::are_finite(&single) && f16::are_finite(&half) && f32::are_finite(&[]));
        for place in [0, 4095, 4096, 8999] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                (single[place], half[place]) = (bad, f16::from_f32(bad));
                assert!(!f32::are_finite(&single) && !f16::are_finite(&half), "{bad} at {place}");
                (single[place], half[place]) = (0.5, f16::ONE);
            }
        }
    }
}
