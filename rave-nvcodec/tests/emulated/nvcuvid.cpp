// NVDEC as far as rave-nvcodec calls it, over the emulated driver of rave-cuda, for tests on machines without a GPU.
//
// A packet holds commands of a test after a byte of 0xfe; what is before it is skipped:
//   S width height surfaces left top right bottom (two bytes each), flags   a sequence header
//   D surface value status flags                                            a picture to decode, or its second field
//   V surface flags                                                         a picture to display
//   H surface flags                                                         the same, held back until the next header or the end
//   E                                                                       the next picture cannot be decoded
//   R                                                                       the next picture is refused as damaged
// Pictures are decoded at once, so that one that is decoded into a surface too early spoils it; maps and copies are as
// lazy as the driver. What breaks the rules of the programming guide ends the program.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <vector>

typedef int Result;
typedef unsigned long long Address;
enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_SUPPORTED = 801 };

// cuviddec.h and nvcuvid.h, in their order.
struct Rect16 { short left, top, right, bottom; };
struct Caps {
    int codec, chroma; unsigned depth_minus8, reserved1[3];
    unsigned char is_supported, engines; unsigned short formats;
    unsigned max_width, max_height, max_macroblocks; unsigned short min_width, min_height;
    unsigned char histogram[2]; unsigned short bins; unsigned reserved3[10];
};
struct CreateInfo {
    unsigned long width, height, surfaces; int codec, chroma; unsigned long flags, depth_minus8, intra_only, max_width, max_height, reserved1;
    Rect16 display; int output_format, deinterlace; unsigned long target_width, target_height, outputs; void* lock;
    Rect16 target; unsigned long histogram, reserved2[4];
};
struct Reconfigure {
    unsigned width, height, target_width, target_height, surfaces, reserved1[12]; Rect16 display, target; unsigned reserved2[11];
};
struct Picture {
    int width_mbs, height_mbs, index, field, bottom, second, length_; const unsigned char* data; unsigned slices; const unsigned* offsets;
    int is_reference, is_intra; unsigned reserved[30]; unsigned long long codec[512];
};
struct Processing {
    int progressive, second, top_first, unpaired; unsigned reserved_flags, reserved_zero; Address raw_input; unsigned raw_pitch, raw_format;
    Address raw_output; unsigned raw_output_pitch, reserved1; void* stream; unsigned reserved[46]; void* histogram; void* reserved2[1];
};
struct Status { int status; unsigned reserved[31]; void* pointers[8]; };
struct Format {
    int codec; unsigned rate[2]; unsigned char progressive, luma_minus8, chroma_minus8, min_surfaces; unsigned width, height; int left, top, right, bottom;
    int chroma; unsigned bitrate; int aspect[2]; unsigned char signal[4]; unsigned header_length;
};
struct Display { int index, progressive, top_first, repeat; long long stamp; };
struct ParserParams {
    int codec; unsigned surfaces, clock, error_threshold, delay, flags, reserved1[4]; void* user;
    int (*on_sequence)(void*, Format*); int (*on_decode)(void*, Picture*); int (*on_display)(void*, Display*);
};
struct Packet { unsigned long flags, size; const unsigned char* data; long long stamp; };

static_assert(sizeof(Caps) == 88 && sizeof(CreateInfo) == 176 && sizeof(Reconfigure) == 128, "cuviddec.h");
static_assert(sizeof(Picture) == 4280 && sizeof(Processing) == 264 && sizeof(Status) == 192, "cuviddec.h");
static_assert(sizeof(Format) == 64 && sizeof(Display) == 24 && sizeof(Packet) == 32, "nvcuvid.h");

static std::recursive_mutex mutex;
static int live;
// What the next picture's decoding returns.
static Result fails_next;
#define LOCK std::lock_guard<std::recursive_mutex> lock(mutex)
static bool broken(const char* rule) {
    std::fprintf(stderr, "NVDEC's rule is broken: %s\n", rule);
    std::abort();
}
#define RULE(holds) (void)((holds) || broken(#holds))

struct Parser {
    ParserParams params;
    std::map<int, long long> stamps;
    std::vector<Display> held;
};
struct Decoder {
    CreateInfo info;
    size_t pitch, bytes;
    std::vector<std::vector<unsigned char>> surfaces;
    std::vector<int> statuses;
    std::map<Address, std::vector<unsigned char>> mapped;
};
// What was unmapped is spoilt but stays, as a copy that comes too late would find it.
static std::vector<std::vector<unsigned char>> unmapped;

static Result (*copy_on_device())(Address, Address, size_t, void*) {
    static void* driver = dlopen("libcuda.so", RTLD_NOW);
    return reinterpret_cast<Result (*)(Address, Address, size_t, void*)>(dlsym(driver, "cuMemcpyDtoDAsync_v2"));
}
static bool is_deep(const Decoder* decoder) { return decoder->info.output_format == 1 || decoder->info.output_format == 3; }
static int planes(const Decoder* decoder) { return decoder->info.output_format < 2 ? 2 : 3; }

extern "C" {
int fake_live() { return live; }

Result cuvidGetDecoderCaps(Caps* caps) {
    const int H264 = 4, HEVC = 8, VP9 = 10;
    bool eight = caps->depth_minus8 == 0, is_420 = caps->chroma == 1, is_444 = caps->chroma == 3;
    caps->is_supported = ((caps->codec == H264 || caps->codec == VP9) && eight && is_420) || (caps->codec == HEVC && (is_420 || is_444));
    caps->engines = 3;
    caps->formats = is_444 ? 12 : eight ? 1 : 3;
    caps->max_width = caps->max_height = 4096;
    caps->max_macroblocks = 65536;
    caps->min_width = caps->min_height = 16;
    return SUCCESS;
}

Result cuvidCreateVideoParser(Parser** parser, ParserParams* params) {
    LOCK;
    live++;
    *parser = new Parser{*params, {}, {}};
    return SUCCESS;
}
Result cuvidDestroyVideoParser(Parser* parser) {
    LOCK;
    live--;
    return delete parser, SUCCESS;
}

static void flush(Parser* parser) {
    for (Display& display : parser->held) parser->params.on_display(parser->params.user, &display);
    parser->held.clear();
}
static bool command(Parser* parser, const unsigned char*& at, long long stamp) {
    void* user = parser->params.user;
    auto number = [&] { int low = *at++; return low | *at++ << 8; };
    switch (*at++) {
    case 'S': {
        flush(parser);
        Format format = {};
        format.codec = parser->params.codec;
        format.width = number(), format.height = number(), format.min_surfaces = number();
        format.left = number(), format.top = number(), format.right = number(), format.bottom = number();
        int flags = *at++;
        format.progressive = !(flags & 1);
        format.chroma = flags & 2 ? 3 : 1;
        format.luma_minus8 = format.chroma_minus8 = flags & 4 ? 2 : 0;
        return parser->params.on_sequence(user, &format) >= format.min_surfaces;
    }
    case 'D': {
        Picture picture = {};
        unsigned char lent[2] = {at[1], at[2]};
        unsigned offset = 0;
        picture.index = at[0], picture.is_intra = at[3] & 1, picture.second = at[3] >> 1;
        picture.data = lent, picture.length_ = 2, picture.slices = 1, picture.offsets = &offset;
        parser->stamps[picture.index] = stamp;
        at += 4;
        int answer = parser->params.on_decode(user, &picture);
        lent[0] = lent[1] = 0xdd;
        return answer != 0;
    }
    case 'V':
    case 'H': {
        Display display = {at[0], !(at[1] & 1), (at[1] & 2) != 0, (at[1] & 4) != 0, parser->stamps[at[0]]};
        bool is_held = at[-1] == 'H';
        at += 2;
        if (is_held) return parser->held.push_back(display), true;
        return parser->params.on_display(user, &display) != 0;
    }
    case 'E': return fails_next = NOT_SUPPORTED, true;
    case 'R': return fails_next = INVALID_VALUE, true;
    default: return broken("a command is known");
    }
}
Result cuvidParseVideoData(Parser* parser, Packet* packet) {
    LOCK;
    if (packet->flags & 1) return flush(parser), SUCCESS;
    const unsigned char* end = packet->data + packet->size;
    const unsigned char* at = static_cast<const unsigned char*>(std::memchr(packet->data, 0xfe, packet->size));
    if (at == nullptr) return SUCCESS;
    for (at++; at < end;)
        if (!command(parser, at, packet->stamp)) return INVALID_VALUE;
    return SUCCESS;
}

Result cuvidCreateDecoder(Decoder** decoder, CreateInfo* info) {
    LOCK;
    RULE(info->target_width == info->width && info->target_height == info->height);
    RULE(info->width % 2 == 0 && info->height % 2 == 0 && info->max_width >= info->width);
    live++;
    Decoder* made = new Decoder{*info, 0, 0, {}, {}, {}};
    made->surfaces.resize(info->surfaces);
    made->statuses.resize(info->surfaces);
    return *decoder = made, SUCCESS;
}
Result cuvidDestroyDecoder(Decoder* decoder) {
    LOCK;
    RULE(decoder->mapped.empty());
    live--;
    return delete decoder, SUCCESS;
}
Result cuvidReconfigureDecoder(Decoder* decoder, Reconfigure* info) {
    LOCK;
    RULE(decoder->mapped.empty());
    RULE(info->surfaces <= decoder->surfaces.size());
    if (info->width > decoder->info.max_width || info->height > decoder->info.max_height) return INVALID_VALUE;
    decoder->info.width = info->width, decoder->info.height = info->height;
    return SUCCESS;
}

// Luma is value + column + 3 rows, the first chroma component 7 more, the second 14 more; deep samples are in the high bits.
Result cuvidDecodePicture(Decoder* decoder, Picture* picture) {
    LOCK;
    if (Result failure = fails_next) return fails_next = SUCCESS, failure;
    RULE(picture->index >= 0 && size_t(picture->index) < decoder->surfaces.size());
    RULE(picture->length_ == 2 && picture->slices == 1 && *picture->offsets == 0);
    size_t width = decoder->info.width, height = decoder->info.height, sample = is_deep(decoder) ? 2 : 1;
    decoder->pitch = (width * sample + 63) / 64 * 64;
    bool is_semi_planar = planes(decoder) == 2;
    size_t rows = is_semi_planar ? height * 3 / 2 : height * 3;
    std::vector<unsigned char> picture_bytes(decoder->pitch * rows, 0xbb);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < width; column++) {
            size_t plane = row / height, x = column, y = row - plane * height;
            if (is_semi_planar && plane == 1) plane += column % 2, x = column / 2;
            unsigned code = (picture->data[0] + x + 3 * y + 7 * plane) & 255;
            unsigned char* to = &picture_bytes[row * decoder->pitch + column * sample];
            if (sample == 1) *to = code;
            else to[0] = code << 6 & 255, to[1] = code >> 2;
        }
    // In place: a map that is still on its way finds the new picture.
    std::vector<unsigned char>& surface = decoder->surfaces[picture->index];
    if (surface.size() < picture_bytes.size()) unmapped.push_back(std::move(surface)), surface.resize(picture_bytes.size());
    std::copy(picture_bytes.begin(), picture_bytes.end(), surface.begin());
    decoder->statuses[picture->index] = picture->data[1];
    return SUCCESS;
}
Result cuvidGetDecodeStatus(Decoder* decoder, int index, Status* status) {
    LOCK;
    return status->status = decoder->statuses.at(index), SUCCESS;
}
Result cuvidMapVideoFrame64(Decoder* decoder, int index, Address* address, unsigned* pitch, Processing* processing) {
    LOCK;
    RULE(decoder->mapped.size() < decoder->info.outputs);
    RULE(size_t(index) < decoder->surfaces.size() && !decoder->surfaces[index].empty());
    RULE(processing->stream != nullptr);
    std::vector<unsigned char>& surface = decoder->surfaces[index];
    std::vector<unsigned char> output(surface.size(), 0xcc);
    *address = Address(output.data());
    *pitch = decoder->pitch;
    decoder->mapped[*address] = std::move(output);
    return copy_on_device()(*address, Address(surface.data()), surface.size(), processing->stream);
}
Result cuvidUnmapVideoFrame64(Decoder* decoder, Address address) {
    LOCK;
    auto found = decoder->mapped.find(address);
    RULE(found != decoder->mapped.end());
    std::memset(found->second.data(), 0xdd, found->second.size());
    unmapped.push_back(std::move(found->second));
    decoder->mapped.erase(found);
    return SUCCESS;
}
Result cuvidCtxLockCreate(void**, void*) { return NOT_SUPPORTED; }
Result cuvidCtxLockDestroy(void*) { return NOT_SUPPORTED; }
}
