//! The first frame that is shown: only it says what a decoder really gives.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;

use rave_core::{Packet, TimeBase};

use crate::sys::{
    AvError, AvFrame, AvPacket, DecoderContext, DecoderSettings, InputContext, Received, SideData, StreamRef,
    codec_name,
};
use crate::{Error, Input};

/// The first frame, and the packets that were read for it.
pub(crate) struct First {
    pub(crate) frame: AvFrame,
    pub(crate) packets: VecDeque<Packet>,
}

/// Bounds on what is read before the first frame.
const MAX_PACKETS: usize = 600;
const MAX_BYTES: usize = 256 << 20;

/// FFmpeg's number for a codec that it does not know.
const NO_CODEC: i32 = 0;

/// Decodes until a frame comes out.
pub(crate) fn find(
    input: &Input,
    context: &mut InputContext,
    index: usize,
    scratch: &mut AvPacket,
) -> Result<First, Error> {
    let stream = context.stream(index).expect("the index was chosen from the streams");
    let mut search = Search::new(input, stream)?;
    let failed = |source| Error::Demux { input: input.clone(), source };
    while search.packets.len() < MAX_PACKETS && search.bytes < MAX_BYTES {
        let is_end = !context.read(scratch).map_err(failed)?;
        if !is_end && scratch.stream_index() != index {
            continue;
        }
        let has_frame = if is_end { search.flush() } else { search.feed(scratch) };
        if has_frame {
            return Ok(First { frame: search.frame, packets: search.packets });
        }
        if is_end {
            break;
        }
    }
    let stream = context.stream(index).expect("as above");
    Err(search.failure(input, context, stream))
}

struct Search {
    codec: String,
    index: usize,
    time_base: TimeBase,
    decoder: DecoderContext,
    frame: AvFrame,
    packets: VecDeque<Packet>,
    bytes: usize,
    error: Option<AvError>,
}

impl Search {
    fn new(input: &Input, stream: StreamRef<'_>) -> Result<Self, Error> {
        let codec = codec_name(stream.parameters().codec_id());
        let unusable = |reason| Error::InputNoFrames { input: input.clone(), stream: stream.index(), reason };
        if stream.parameters().codec_id() == NO_CODEC {
            let reason = "the file does not say its codec: its header is damaged or cut off";
            return Err(unusable(reason.to_owned()));
        }
        let time_base = stream.time_base();
        let settings = DecoderSettings {
            time_base,
            frame_rate: stream.average_frame_rate(),
            threads: 1,
            is_strict: false,
        };
        let decoder = match DecoderContext::open(stream.parameters(), &settings) {
            Ok(Some(decoder)) => decoder,
            Ok(None) => return Err(Error::DecoderMissing { codec }),
            Err(error) if error.is_out_of_memory() => return Err(Error::OutOfMemory),
            Err(error) => return Err(unusable(format!("the {codec} decoder does not open: {error}"))),
        };
        let frame = AvFrame::new().map_err(|_| Error::OutOfMemory)?;
        let (index, packets) = (stream.index(), VecDeque::new());
        Ok(Self { codec, index, time_base, decoder, frame, packets, bytes: 0, error: None })
    }

    /// Keeps and decodes a packet; whether a frame came out.
    fn feed(&mut self, packet: &AvPacket) -> bool {
        self.bytes += packet.data().len();
        self.packets.push_back(packet.to_packet(self.time_base));
        // An empty packet would mean the end to the decoder.
        !packet.data().is_empty() && self.send(Some(packet)) && self.receive() == Some(Received::Item)
    }

    /// Tells the decoder the end; whether a frame came out.
    fn flush(&mut self) -> bool {
        /// More than any decoder holds back.
        const MAX_HELD_BACK: usize = 64;
        self.send(None);
        (0..MAX_HELD_BACK)
            .map(|_| self.receive())
            .find(|received| !matches!(received, None | Some(Received::NeedsInput)))
            == Some(Some(Received::Item))
    }

    fn send(&mut self, packet: Option<&AvPacket>) -> bool {
        let sent = self.decoder.send(packet);
        self.error = sent.err().or(self.error);
        sent.is_ok()
    }

    fn receive(&mut self) -> Option<Received> {
        match self.decoder.receive(&mut self.frame) {
            Ok(received) => Some(received),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    fn failure(&self, input: &Input, context: &InputContext, stream: StreamRef<'_>) -> Error {
        let is_told =
            |packet: &Packet| packet.side_data.iter().any(|data| data.kind == SideData::Encryption.number());
        let encrypted = |reason| Error::InputEncrypted { input: input.clone(), stream: self.index, reason };
        if stream.side_data(SideData::EncryptionInit).is_some() || self.packets.iter().any(is_told) {
            return encrypted("the container says how its samples are encrypted");
        }
        if is_scrambled(input, context, stream) {
            return encrypted("its transport stream packets are scrambled");
        }
        Error::InputNoFrames { input: input.clone(), stream: self.index, reason: self.reason() }
    }

    fn reason(&self) -> String {
        let (codec, packets) = (&self.codec, self.packets.len());
        match (packets, self.error) {
            (0, _) => "the file announces it but holds no data for it".to_owned(),
            (_, Some(error)) => format!("the {codec} decoder says of the first {packets} packets: {error}"),
            (_, None) => format!("the {codec} decoder gives nothing for the first {packets} packets"),
        }
    }
}

/// Whether the stream's packets in an MPEG transport stream say that they are scrambled (ISO/IEC 13818-1, 2.4.3.3).
fn is_scrambled(input: &Input, context: &InputContext, stream: StreamRef<'_>) -> bool {
    const PACKET_BYTES: usize = 188;
    const PEEK_BYTES: u64 = 1 << 20;
    let Input::File(path) = input else {
        return false;
    };
    if context.format_name() != "mpegts" || !input.is_seekable() {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PEEK_BYTES).read_to_end(&mut start));
    read.is_ok() && start.chunks_exact(PACKET_BYTES).any(|packet| is_scrambled_packet(packet, stream.id()))
}

fn is_scrambled_packet(packet: &[u8], stream_id: i32) -> bool {
    const SYNC: u8 = 0x47;
    let id = i32::from(packet[1] & 0x1f) << 8 | i32::from(packet[2]);
    packet[0] == SYNC && id == stream_id && packet[3] & 0xc0 != 0
}
