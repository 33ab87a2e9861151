use crate::{
    BoxError, Chroma, Error, HostFrame, HostPool, Layout, Rational, Sample, SampleType, Stage, VideoInfo,
};

/// Turns and mirrors the frames of a stream as their display matrix says, so that they are upright without it.
#[derive(Debug)]
pub struct Orient {
    turn: Turn,
    input: Layout,
    output: VideoInfo,
    layout: Layout,
    pool: HostPool,
}

/// Signs of the matrix's a, b, c and d: the displayed x is `a x + c y`, the displayed y is `b x + d y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

impl Turn {
    const UPRIGHT: Self = Self { a: 1, b: 0, c: 0, d: 1 };

    /// From a matrix in the form of ISO/IEC 14496-12, 8.3.2, if it turns by a multiple of 90 degrees and scales by
    /// nothing.
    fn from_matrix(matrix: &[i32; 9]) -> Option<Self> {
        const ONE: i32 = 1 << 16;
        let sign = |value: i32| match value {
            0 => Some(0),
            ONE => Some(1),
            value if value == -ONE => Some(-1),
            _ => None,
        };
        let [a, b, c, d] = [0, 1, 3, 4].map(|index| sign(matrix[index]));
        let turn = Self { a: a?, b: b?, c: c?, d: d? };
        let is_straight = turn.b == 0 && turn.c == 0 && turn.a != 0 && turn.d != 0;
        let is_across = turn.a == 0 && turn.d == 0 && turn.b != 0 && turn.c != 0;
        (is_straight || is_across).then_some(turn)
    }

    const fn swaps_sides(self) -> bool {
        self.a == 0
    }

    /// The sample of a plane of `width` x `height` that comes to (x, y).
    fn source(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        let from = |sign: i32, position: usize, length: usize| match sign {
            1 => position,
            _ => length - 1 - position,
        };
        match self.swaps_sides() {
            false => (from(self.a, x, width), from(self.d, y, height)),
            true => (from(self.b, y, width), from(self.c, x, height)),
        }
    }
}

impl Orient {
    /// A stage for the frames that `input` describes.
    ///
    /// # Errors
    /// [`Error::Layout`] if the display matrix turns by other than a multiple of 90 degrees; [`Error::Format`] if chroma is
    /// subsampled: it would lie elsewhere.
    pub fn new(input: &VideoInfo) -> Result<Self, Error> {
        let matrix = input.display_matrix.as_ref();
        let Some(turn) = matrix.map_or(Some(Turn::UPRIGHT), Turn::from_matrix) else {
            let reason = format!("display matrix {matrix:?} is not one of the eight right-angled turns");
            return Err(Error::Layout(reason));
        };
        if input.format.chroma().is_some_and(|chroma| chroma != Chroma::C444) {
            return Err(Error::Format {
                format: input.format.to_string(),
                action: "turned: its chroma is subsampled",
            });
        }
        let (width, height) = match turn.swaps_sides() {
            false => (input.width, input.height),
            true => (input.height, input.width),
        };
        let ratio = input.sample_aspect_ratio;
        let sample_aspect_ratio = if turn.swaps_sides() { ratio.map(Rational::inverse) } else { ratio };
        Ok(Self {
            turn,
            input: Layout::packed(input.format, input.width, input.height)?,
            output: VideoInfo { width, height, sample_aspect_ratio, display_matrix: None, ..*input },
            layout: Layout::packed(input.format, width, height)?,
            pool: HostPool::new(),
        })
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// Turns one frame; its time and field order stay.
    ///
    /// # Errors
    /// [`Error::Layout`] if format or size are not those of the [`VideoInfo`] that the stage was built from.
    pub fn orient(&self, frame: &HostFrame) -> Result<HostFrame, Error> {
        let size = (self.input.width(), self.input.height());
        frame.layout().check(self.input.format(), size)?;
        let mut output = HostFrame::from_pool(&self.pool, self.layout, frame.color(), frame.info());
        for plane in 0..self.layout.format().plane_count() {
            match self.layout.format().sample() {
                Sample::U8 => self.turn_plane::<u8>(plane, frame, &mut output),
                Sample::Uint { .. } | Sample::F16 => self.turn_words(plane, frame, &mut output),
                Sample::F32 => self.turn_plane::<f32>(plane, frame, &mut output),
            }
        }
        Ok(output)
    }

    fn turn_words(&self, plane: usize, frame: &HostFrame, output: &mut HostFrame) {
        if self.layout.format().sample() == Sample::F16 {
            self.turn_plane::<half::f16>(plane, frame, output);
        } else {
            self.turn_plane::<u16>(plane, frame, output);
        }
    }

    fn turn_plane<T: SampleType>(&self, plane: usize, frame: &HostFrame, output: &mut HostFrame) {
        let (samples, stride) = frame.plane::<T>(plane);
        // A semi-planar 4:4:4 plane holds pairs.
        let (width, height) = (self.input.width() as usize, self.input.height() as usize);
        let group = self.input.planes()[plane].row_bytes / size_of::<T>() / width;
        for (y, row) in output.rows_mut::<T>(plane).enumerate() {
            for (x, target) in row.chunks_exact_mut(group).enumerate() {
                let (from_x, from_y) = self.turn.source(x, y, width, height);
                target.copy_from_slice(&samples[from_y * stride + from_x * group..][..group]);
            }
        }
    }
}

impl Stage for Orient {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        emit(self.orient(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColorSpec, FieldOrder, FrameInfo, HostBuffer, PixelFormat, TimeBase, Timestamp};

    const ONE: i32 = 1 << 16;

    fn info(matrix: [i32; 4], format: PixelFormat) -> VideoInfo {
        let [a, b, c, d] = matrix.map(|sign| sign * ONE);
        VideoInfo {
            sample_aspect_ratio: Rational::new(4, 3).ok(),
            display_matrix: Some([a, b, 0, c, d, 0, 0, 0, 1 << 30]),
            ..VideoInfo::new(format, (3, 2), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
        }
    }

    fn turned(matrix: [i32; 4]) -> (VideoInfo, Vec<Vec<u8>>) {
        let info = info(matrix, PixelFormat::Gray { sample: Sample::U8 });
        let layout = Layout::packed(info.format, 3, 2).unwrap();
        let times = FrameInfo {
            pts: Timestamp::new(0, info.time_base),
            duration_ticks: None,
            field_order: FieldOrder::Progressive,
        };
        let mut frame =
            HostFrame::new(HostBuffer::zeroed(layout.size_bytes()), layout, info.color, times).unwrap();
        frame.buffer_mut().as_bytes_mut()[..6].copy_from_slice(b"abcdef");
        let stage = Orient::new(&info).unwrap();
        let output = stage.orient(&frame).unwrap();
        (*stage.output_info(), output.rows::<u8>(0).map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn pictures_come_upright() {
        for (matrix, expected) in [
            ([1, 0, 0, 1], vec![b"abc".to_vec(), b"def".to_vec()]),
            ([0, 1, -1, 0], vec![b"da".to_vec(), b"eb".to_vec(), b"fc".to_vec()]),
            ([-1, 0, 0, -1], vec![b"fed".to_vec(), b"cba".to_vec()]),
            ([0, -1, 1, 0], vec![b"cf".to_vec(), b"be".to_vec(), b"ad".to_vec()]),
            ([-1, 0, 0, 1], vec![b"cba".to_vec(), b"fed".to_vec()]),
            ([0, 1, 1, 0], vec![b"ad".to_vec(), b"be".to_vec(), b"cf".to_vec()]),
        ] {
            let (info, rows) = turned(matrix);
            assert_eq!(rows, expected, "{matrix:?}");
            assert_eq!(info.display_matrix, None);
            let across = matrix[0] == 0;
            let ratio = if across { Rational::new(3, 4) } else { Rational::new(4, 3) };
            assert_eq!((info.width, info.sample_aspect_ratio), (if across { 2 } else { 3 }, ratio.ok()));
        }
    }

    #[test]
    fn other_turns_and_subsampled_chroma_are_refused() {
        let gray = PixelFormat::Gray { sample: Sample::U8 };
        let mut slanted = info([1, 0, 0, 1], gray);
        slanted.display_matrix = Some([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30]);
        assert!(Orient::new(&slanted).is_err());
        assert!(Orient::new(&info([0, 1, -1, 0], PixelFormat::NV12)).is_err());
    }
}
