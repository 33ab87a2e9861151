mod codec;

use rave_core::{Rational, VideoInfo};

use super::capabilities::{CodecCapabilities, buffer_format};
use super::{
    EncodeError, NvencCodec, NvencMultiPass, NvencOptions, NvencRateControl, NvencSpatialAq, NvencSwitch,
    NvencTuning,
};
use crate::sys::nvenc;

/// Frames a second where the stream says none: rate control needs a number.
const ASSUMED_RATE: (u32, u32) = (25, 1);
/// The encoder wants this many buffers beyond those that B-frames hold back (`NvEncCreateBitstreamBuffer`).
const EXTRA_BUFFERS: u32 = 4;

/// What an encoder is made with, and what follows from it.
pub(super) struct Plan {
    pub(super) config: nvenc::Config,
    /// Without the pointer to `config`.
    pub(super) params: nvenc::InitializeParams,
    pub(super) bframes: u32,
    pub(super) lookahead: u32,
    /// Buffers of each kind.
    pub(super) buffers: u32,
    /// Frames that may be in the encoder while it is given the next.
    pub(super) in_flight: u32,
}

/// The tuning that the options amount to.
pub(super) const fn tuning(options: &NvencOptions) -> nvenc::TuningInfo {
    match (options.rate_control, options.tuning) {
        (NvencRateControl::Lossless, _) => nvenc::TuningInfo::LOSSLESS,
        (_, NvencTuning::HighQuality) => nvenc::TuningInfo::HIGH_QUALITY,
        (_, NvencTuning::LowLatency) => nvenc::TuningInfo::LOW_LATENCY,
    }
}

impl Plan {
    /// The preset's configuration with the options put into it. Options, format and size have been checked.
    pub(super) fn new(
        preset: nvenc::Config,
        options: &NvencOptions,
        info: &VideoInfo,
        capabilities: &CodecCapabilities,
    ) -> Result<Self, EncodeError> {
        let mut config = preset;
        let bframes = structure(&mut config, options, capabilities);
        let lookahead = look_ahead(&mut config, options, bframes)?;
        rate_control(&mut config.rc_params, options);
        adaptive_quantization(&mut config.rc_params, options);
        codec::configure(&mut config, options, info, bframes);
        let buffers = bframes + lookahead + EXTRA_BUFFERS;
        let in_flight = match options.tuning {
            NvencTuning::HighQuality => buffers - 1,
            NvencTuning::LowLatency => bframes + lookahead,
        };
        let params = initialize_params(options, info)?;
        Ok(Self { config, params, bframes, lookahead, buffers, in_flight })
    }

    /// Sets bit rates of a running encoder.
    pub(super) fn set_bit_rates(&mut self, average_kilobits: u32, maximum_kilobits: u32) {
        self.config.rc_params.average_bit_rate = average_kilobits.saturating_mul(1000);
        self.config.rc_params.max_bit_rate = maximum_kilobits.saturating_mul(1000);
    }
}

/// Group of pictures and B-frames; gives the number of these.
fn structure(config: &mut nvenc::Config, options: &NvencOptions, capabilities: &CodecCapabilities) -> u32 {
    let preset = u32::try_from(config.frame_interval_p - 1).unwrap_or(0).min(capabilities.max_bframes);
    let bframes = options.bframes.unwrap_or(preset).min(options.gop - 1);
    config.gop_length = options.gop;
    config.frame_interval_p = match options.gop {
        1 => 0,
        _ => bframes.cast_signed() + 1,
    };
    config.frame_field_mode = nvenc::FrameFieldMode::FRAME;
    config.mono_chrome_encoding = 0;
    bframes
}

fn look_ahead(config: &mut nvenc::Config, options: &NvencOptions, bframes: u32) -> Result<u32, EncodeError> {
    /// `NV_ENC_RC_PARAMS::lookaheadDepth`: with the B-frames.
    const MOST: u32 = 31;
    let rc = &mut config.rc_params;
    let preset = if rc.enable_lookahead() != 0 { u32::from(rc.lookahead_depth) } else { 0 };
    let most = MOST.saturating_sub(bframes);
    let depth = options.lookahead.unwrap_or(preset.min(most));
    if depth > most {
        let reason = format!("with {bframes} B-frames it is at most {most}");
        return Err(options.refuse(format!("a look-ahead of {depth} frames"), reason));
    }
    rc.set_enable_lookahead(u32::from(depth > 0));
    rc.lookahead_depth = depth as u16;
    Ok(depth)
}

fn rate_control(rc: &mut nvenc::RcParams, options: &NvencOptions) {
    rc.version = nvenc::RcParams::VERSION;
    (rc.average_bit_rate, rc.max_bit_rate, rc.target_quality, rc.target_quality_lsb) = (0, 0, 0, 0);
    (rc.vbv_buffer_size, rc.vbv_initial_delay) = (0, 0);
    match options.rate_control {
        NvencRateControl::ConstantQuality(quality) => {
            let fixed = (quality * 256.0).round() as u32;
            rc.rate_control_mode = nvenc::RcMode::VBR;
            rc.target_quality = (fixed >> 8) as u8;
            rc.target_quality_lsb = (fixed & 0xff) as u8;
        }
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second } => {
            rc.rate_control_mode = nvenc::RcMode::VBR;
            rc.average_bit_rate = average_kilobits_per_second * 1000;
            rc.max_bit_rate = maximum_kilobits_per_second.unwrap_or(0) * 1000;
        }
        NvencRateControl::Cbr { kilobits_per_second } => {
            rc.rate_control_mode = nvenc::RcMode::CBR;
            rc.average_bit_rate = kilobits_per_second * 1000;
            rc.max_bit_rate = rc.average_bit_rate;
        }
        NvencRateControl::ConstantQp { intra, inter_p, inter_b } => {
            rc.rate_control_mode = nvenc::RcMode::CONSTQP;
            rc.const_qp = nvenc::Qp { qp_intra: intra, qp_inter_p: inter_p, qp_inter_b: inter_b };
        }
        NvencRateControl::Lossless => {
            rc.rate_control_mode = nvenc::RcMode::CONSTQP;
            rc.const_qp = nvenc::Qp::default();
        }
    }
}

fn adaptive_quantization(rc: &mut nvenc::RcParams, options: &NvencOptions) {
    let strength = match options.spatial_aq {
        NvencSpatialAq::Preset => None,
        NvencSpatialAq::Off => Some((0, 0)),
        NvencSpatialAq::Auto => Some((1, 0)),
        NvencSpatialAq::Strength(strength) => Some((1, u32::from(strength))),
    };
    if let Some((is_on, strength)) = strength {
        rc.set_enable_aq(is_on);
        rc.set_aq_strength(strength);
    }
    match options.temporal_aq {
        NvencSwitch::Preset => {}
        NvencSwitch::Off => rc.set_enable_temporal_aq(0),
        NvencSwitch::On => rc.set_enable_temporal_aq(1),
    }
    match options.multi_pass {
        NvencMultiPass::Preset => {}
        NvencMultiPass::One => rc.multi_pass = nvenc::MultiPass::DISABLED,
        NvencMultiPass::QuarterResolution => rc.multi_pass = nvenc::MultiPass::TWO_PASS_QUARTER_RESOLUTION,
        NvencMultiPass::FullResolution => rc.multi_pass = nvenc::MultiPass::TWO_PASS_FULL_RESOLUTION,
    }
}

fn initialize_params(
    options: &NvencOptions,
    info: &VideoInfo,
) -> Result<nvenc::InitializeParams, EncodeError> {
    let (dar_width, dar_height) = display_shape(options.codec, info)?;
    let (frame_rate_num, frame_rate_den) = info
        .frame_rate
        .map_or(ASSUMED_RATE, |rate| (rate.numerator().unsigned_abs(), rate.denominator().unsigned_abs()));
    let mut params = nvenc::InitializeParams {
        encode_guid: options.codec.guid(),
        preset_guid: options.preset.guid(),
        encode_width: info.width,
        encode_height: info.height,
        dar_width,
        dar_height,
        frame_rate_num,
        frame_rate_den,
        // The encoder decides which picture is coded how.
        enable_ptd: 1,
        tuning_info: tuning(options),
        ..nvenc::InitializeParams::versioned()
    };
    params.set_split_encode_mode(nvenc::SplitEncodeMode::AUTO.0);
    Ok(params)
}

/// The display aspect ratio; for AV1 the size at which it is to be shown (`render_size`).
fn display_shape(codec: NvencCodec, info: &VideoInfo) -> Result<(u32, u32), EncodeError> {
    if codec == NvencCodec::Av1 {
        return Ok(render_size(info));
    }
    let ratio = info.display_aspect_ratio()?;
    Ok((ratio.numerator().unsigned_abs(), ratio.denominator().unsigned_abs()))
}

/// The side that the aspect ratio enlarges.
fn render_size(info: &VideoInfo) -> (u32, u32) {
    let sar = info.sample_aspect_ratio.unwrap_or(Rational::ONE);
    let (numerator, denominator) = (sar.numerator().unsigned_abs(), sar.denominator().unsigned_abs());
    let scale = |side: u32, by: u32, of: u32| {
        let scaled = (u64::from(side) * u64::from(by) + u64::from(of / 2)) / u64::from(of);
        u32::try_from(scaled).unwrap_or(u32::MAX)
    };
    match numerator >= denominator {
        true => (scale(info.width, numerator, denominator), info.height),
        false => (info.width, scale(info.height, denominator, numerator)),
    }
}

/// What is the same for every picture.
pub(super) fn picture(plan: &Plan, info: &VideoInfo, codec: NvencCodec) -> nvenc::PicParams {
    let mut params = nvenc::PicParams {
        input_width: info.width,
        input_height: info.height,
        buffer_fmt: buffer_format(info.format).unwrap_or(nvenc::BufferFormat::UNDEFINED),
        picture_struct: nvenc::PicStruct::FRAME,
        ..nvenc::PicParams::versioned()
    };
    // SAFETY: as in `codec::configure`; the union is all zero, and the member written is the codec's.
    unsafe {
        match codec {
            NvencCodec::H264 => {
                let of_picture = &mut params.codec_pic_params.h264_pic_params;
                let of_stream = &plan.config.encode_codec_config.h264_config;
                (of_picture.slice_mode, of_picture.slice_mode_data) =
                    (of_stream.slice_mode, of_stream.slice_mode_data);
            }
            NvencCodec::Hevc => {
                let of_picture = &mut params.codec_pic_params.hevc_pic_params;
                let of_stream = &plan.config.encode_codec_config.hevc_config;
                (of_picture.slice_mode, of_picture.slice_mode_data) =
                    (of_stream.slice_mode, of_stream.slice_mode_data);
            }
            NvencCodec::Av1 => {
                let of_picture = &mut params.codec_pic_params.av1_pic_params;
                let of_stream = &plan.config.encode_codec_config.av1_config;
                of_picture.num_tile_columns = of_stream.num_tile_columns;
                of_picture.num_tile_rows = of_stream.num_tile_rows;
            }
        }
    }
    params
}

/// In words, for people.
pub(super) fn describe(plan: &Plan, options: &NvencOptions, info: &VideoInfo, gpu: &str) -> String {
    let quality = match options.rate_control {
        NvencRateControl::ConstantQuality(quality) => format!("constant quality {quality}"),
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second: None } => {
            format!("{average_kilobits_per_second} kbit/s")
        }
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second: Some(maximum) } => {
            format!("{average_kilobits_per_second} kbit/s, at most {maximum}")
        }
        NvencRateControl::Cbr { kilobits_per_second } => format!("constant {kilobits_per_second} kbit/s"),
        NvencRateControl::ConstantQp { intra, inter_p, inter_b } => format!("qp {intra}/{inter_p}/{inter_b}"),
        NvencRateControl::Lossless => "lossless".to_owned(),
    };
    let (codec, preset, format) = (options.codec, options.preset, info.format);
    let mut text = format!("NVENC {codec} on {gpu}, {quality}, preset {preset}, {} B-frames", plan.bframes);
    if plan.lookahead > 0 {
        text += &format!(", look-ahead {}", plan.lookahead);
    }
    if info.frame_rate.is_none() {
        text += ", 25 frames per second assumed";
    }
    text + &format!(", {format}")
}
