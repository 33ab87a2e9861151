//! Times `rave-fast-x2` from 540p to 1080p against the peak of the same threads.
//!
//!     cargo run --release -p rave-tensorrt --example model_speed -- ONNXRUNTIME_LIBRARY THREADS
//!
//! Prints one JSON object. The peak is measured in turn with the network, in two ways: a loop of independent fused
//! multiply-adds on each thread, which touches no memory, and ONNX Runtime's product of two large square matrices.
//! Each figure is the best of its rounds.

use std::array;
use std::env;
use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use rave_tensorrt::BuiltIn;
use rave_tensorrt::onnx::{Dim, FLOAT, Graph};

const MODEL: &str = "rave-fast-x2";
/// What the network's convolutions do for each pixel of the input (models/README.md).
const MULTIPLY_ADDS_PER_PIXEL: usize = 10_800;
const WIDTH: usize = 960;
const HEIGHT: usize = 540;
const MATRIX: usize = 2048;
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(library), Some(threads)) = (arguments.next(), arguments.next()) else {
        return Err("usage: model_speed ONNXRUNTIME_LIBRARY THREADS".into());
    };
    let threads = threads.parse()?;
    let environment = ort::init_from(library)?.build()?;
    let model = BuiltIn::find(MODEL).ok_or("the model is not built in")?;
    let frame = Tensor { shape: vec![1, 1, HEIGHT as i64, WIDTH as i64], values: noise(WIDTH * HEIGHT) };
    let square = Tensor { shape: vec![MATRIX as i64; 2], values: noise(MATRIX * MATRIX) };
    let mut network = session(&environment, &model.bytes(), threads)?;
    let mut product = session(&environment, &matrix_product(), threads)?;
    let [mut of_network, mut of_product, mut of_loop] = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        of_network = of_network.min(run(&mut network, &[("input", &frame)])?);
        of_product = of_product.min(run(&mut product, &[("a", &square), ("b", &square)])?);
        of_loop = of_loop.min(seconds_per_operation(threads));
    }
    let speed = (2 * MULTIPLY_ADDS_PER_PIXEL * WIDTH * HEIGHT) as f64 / of_network;
    let product_peak = 2.0 * (MATRIX as f64).powi(3) / of_product;
    println!(
        "{{\"model\":\"{MODEL}\",\"threads\":{threads},\"frames_per_second\":{:.3},\"gflops\":{:.2},\
         \"loop_gflops\":{:.2},\"product_gflops\":{:.2}}}",
        1.0 / of_network,
        speed / 1e9,
        1.0 / of_loop / 1e9,
        product_peak / 1e9
    );
    Ok(())
}

struct Tensor {
    shape: Vec<i64>,
    values: Vec<f32>,
}

/// Values in 0..1 that no kernel can skip.
fn noise(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32).collect()
}

fn matrix_product() -> Vec<u8> {
    let side = [Dim::Fixed(MATRIX as u64); 2];
    Graph::new("product")
        .input("a", FLOAT, &side)
        .input("b", FLOAT, &side)
        .output("c", FLOAT, &side)
        .node("MatMul", &["a", "b"], "c", &[])
        .model(17)
}

fn session(environment: &Environment, model: &[u8], threads: usize) -> Result<Session, Box<dyn Error>> {
    Ok(Session::builder(environment)?.with_intra_threads(threads)?.commit_from_memory(model)?)
}

/// Seconds of one run.
fn run(session: &mut Session, inputs: &[(&str, &Tensor)]) -> Result<f64, Box<dyn Error>> {
    let mut values = Vec::new();
    for (name, tensor) in inputs {
        values.push((*name, TensorRef::from_array_view((tensor.shape.clone(), &tensor.values[..]))?));
    }
    let start = Instant::now();
    black_box(session.run(values)?);
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds for one floating-point operation when each thread only multiplies and adds: the best of runs of some
/// milliseconds, which other programs seldom interrupt.
fn seconds_per_operation(threads: usize) -> f64 {
    const RUNS: usize = 20;
    const TURNS: u32 = 1_000_000;
    let run = |_| {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| black_box(multiply_add(black_box(TURNS))));
            }
        });
        start.elapsed().as_secs_f64()
    };
    let operations = 2 * CHAINS * LANES * TURNS as usize * threads;
    (0..RUNS).map(run).fold(f64::INFINITY, f64::min) / operations as f64
}

/// Independent sums: enough to hide the latency of the instruction.
const CHAINS: usize = 12;
/// Values in the widest register.
const LANES: usize = 16;

/// Multiplies and adds with the widest registers that the processor has.
#[cfg(target_arch = "x86_64")]
fn multiply_add(turns: u32) -> f32 {
    #[target_feature(enable = "avx512f")]
    fn wide(turns: u32) -> f32 {
        use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
        let (factor, addend) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut sums: [_; CHAINS] = array::from_fn(|chain| _mm512_set1_ps(chain as f32));
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, addend);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    fn narrow(turns: u32) -> f32 {
        vectorised(turns)
    }

    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the feature.
        unsafe { wide(turns) }
    } else {
        assert!(
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            "the processor has no FMA"
        );
        // SAFETY: the processor has the features, as was just checked.
        unsafe { narrow(turns) }
    }
}

/// Multiplies and adds with the registers that the target always has.
#[cfg(not(target_arch = "x86_64"))]
fn multiply_add(turns: u32) -> f32 {
    vectorised(turns)
}

/// With the vector instructions of the function that it is compiled into.
#[inline(always)]
fn vectorised(turns: u32) -> f32 {
    let (factor, addend) = (black_box(0.5_f32), black_box(1.0_f32));
    let mut sums: [[f32; LANES]; CHAINS] = array::from_fn(|chain| [chain as f32; LANES]);
    for _ in 0..turns {
        for sum in sums.iter_mut().flatten() {
            *sum = sum.mul_add(factor, addend);
        }
    }
    sums.iter().flatten().sum()
}
