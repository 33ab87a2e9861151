// The part of the CUDA driver that rave-cuda calls, in host memory, for tests on machines without a GPU.
//
// It is as lazy as a GPU may be: what is enqueued runs only when the host waits for something, and then only as far as
// that needs, in the order that streams and events demand and no other. Work that forgot to wait for other work therefore
// comes too early, and a buffer that is used again too soon is overwritten.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dirent.h>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

typedef int Result;
typedef unsigned long long Address;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600 };

struct Stream;
struct Ticket {
    Stream* stream;
    bool is_done;
    double millis;
};
struct Work {
    std::shared_ptr<Ticket> after;
    std::function<void()> run;
};
struct Stream {
    std::deque<Work> queue;
    void* context;
};
struct Event {
    std::shared_ptr<Ticket> ticket;
    void* context;
    bool is_timed;
};
struct Module {
    std::string ptx;
};
typedef void (*Kernel)(const unsigned* grid, const unsigned* block, const void* params);
struct Function {
    Kernel kernel;
    size_t params_bytes;
};

static std::recursive_mutex mutex;
// The contexts are the addresses of these; as many GPUs as RAVE_EMULATED_GPUS says, or one.
struct Gpu {
    size_t allocated;
};
static Gpu gpus[4];
static thread_local void* current;
static const size_t TOTAL = size_t(2) << 30;
// The GPU's clock: every piece of work takes it a millisecond forward.
static double now_millis;
struct Memory {
    size_t bytes;
    void* context;
};
static std::map<Address, Memory> memories;
#define LOCK std::lock_guard<std::recursive_mutex> lock(mutex)
#define NEED_CONTEXT                                                                                                   \
    LOCK;                                                                                                              \
    if (current == nullptr) return INVALID_CONTEXT

static void step(Stream* stream);
static void force(const std::shared_ptr<Ticket>& ticket) {
    while (ticket && !ticket->is_done) step(ticket->stream);
}
static void step(Stream* stream) {
    force(stream->queue.front().after);
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work.run();
    now_millis += 1.0;
}
static void drain(Stream* stream) {
    while (!stream->queue.empty()) step(stream);
}
// The GPU whose memory an address is in; nullptr for everything else.
static void* owner(Address address) {
    auto next = memories.upper_bound(address);
    if (next == memories.begin()) return nullptr;
    auto& [start, memory] = *--next;
    return address < start + memory.bytes ? memory.context : nullptr;
}
// GPUs here do not see each other's memory, as without peer access.
static bool is_foreign(Address address, Stream* stream) {
    void* context = owner(address);
    return context != nullptr && context != stream->context;
}
static Result enqueue(Stream* stream, std::function<void()> run) {
    stream->queue.push_back({nullptr, std::move(run)});
    return SUCCESS;
}

extern "C" {
Result cuInit(unsigned) { return SUCCESS; }
Result cuDriverGetVersion(int* version) { return *version = 12040, SUCCESS; }
Result cuGetErrorName(Result, const char** text) { return *text = "EMULATED", SUCCESS; }
Result cuGetErrorString(Result code, const char** text) {
    return *text = code == OUT_OF_MEMORY ? "out of memory" : "an emulated error", SUCCESS;
}
Result cuDeviceGetCount(int* count) {
    const char* text = std::getenv("RAVE_EMULATED_GPUS");
    return *count = text ? std::atoi(text) : 1, SUCCESS;
}
Result cuDeviceGet(int* device, int ordinal) { return *device = ordinal, SUCCESS; }
Result cuDeviceGetName(char* name, int length, int) { return std::snprintf(name, length, "Emulated GPU"), SUCCESS; }
Result cuDeviceGetUuid(char* bytes, int) { return std::memset(bytes, 7, 16), SUCCESS; }
Result cuDeviceGetPCIBusId(char* text, int length, int) { return std::snprintf(text, length, "0000:00:00.0"), SUCCESS; }
Result cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = TOTAL, SUCCESS; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    // Major and minor of the compute capability, multiprocessors; everything else that is asked is supported.
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 1;
    return SUCCESS;
}
Result cuDevicePrimaryCtxRetain(void** context, int device) { return *context = &gpus[device], SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
Result cuCtxGetCurrent(void** context) { return *context = current, SUCCESS; }
Result cuCtxSetCurrent(void* context) { return current = context, SUCCESS; }
Result cuCtxSynchronize() { return SUCCESS; }

Result cuMemGetInfo_v2(size_t* available, size_t* total) {
    NEED_CONTEXT;
    return *available = TOTAL - static_cast<Gpu*>(current)->allocated, *total = TOTAL, SUCCESS;
}
Result cuMemAlloc_v2(Address* address, size_t bytes) {
    NEED_CONTEXT;
    size_t& allocated = static_cast<Gpu*>(current)->allocated;
    if (bytes > TOTAL - allocated) return OUT_OF_MEMORY;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(memory, 0xee, bytes);
    allocated += bytes;
    *address = Address(memory);
    memories[*address] = {bytes, current};
    return SUCCESS;
}
Result cuMemFree_v2(Address address) {
    NEED_CONTEXT;
    auto found = memories.find(address);
    if (found == memories.end() || found->second.context != current) return INVALID_VALUE;
    static_cast<Gpu*>(current)->allocated -= found->second.bytes;
    std::memset(reinterpret_cast<void*>(address), 0xdd, found->second.bytes);
    memories.erase(found);
    std::free(reinterpret_cast<void*>(address));
    return SUCCESS;
}
Result cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    NEED_CONTEXT;
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    std::memset(*memory, 0xcc, bytes);
    return SUCCESS;
}
Result cuMemFreeHost(void* memory) { return std::free(memory), SUCCESS; }

Result cuStreamCreate(Stream** stream, unsigned flags) {
    NEED_CONTEXT;
    if (flags != 1) return INVALID_VALUE;  // the pipeline's streams do not wait for the default stream
    return *stream = new Stream{{}, current}, SUCCESS;
}
// Work that is still enqueued goes on, so the queue stays.
Result cuStreamDestroy_v2(Stream*) { return SUCCESS; }
Result cuStreamSynchronize(Stream* stream) {
    NEED_CONTEXT;
    return drain(stream), SUCCESS;
}
Result cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
    NEED_CONTEXT;
    stream->queue.push_back({event->ticket, [] {}});
    return SUCCESS;
}
Result cuEventCreate(Event** event, unsigned flags) {
    NEED_CONTEXT;
    return *event = new Event{nullptr, current, (flags & 2) == 0}, SUCCESS;
}
Result cuEventDestroy_v2(Event* event) {
    LOCK;
    return delete event, SUCCESS;
}
Result cuEventRecord(Event* event, Stream* stream) {
    NEED_CONTEXT;
    if (event->context != stream->context) return INVALID_HANDLE;
    auto ticket = std::make_shared<Ticket>(Ticket{stream, false, 0.0});
    event->ticket = ticket;
    return enqueue(stream, [ticket] {
        ticket->is_done = true;
        ticket->millis = now_millis;
    });
}
Result cuEventSynchronize(Event* event) {
    NEED_CONTEXT;
    return force(event->ticket), SUCCESS;
}
Result cuEventQuery(Event* event) {
    LOCK;
    return !event->ticket || event->ticket->is_done ? SUCCESS : NOT_READY;
}
Result cuEventElapsedTime(float* millis, Event* from, Event* to) {
    LOCK;
    if (!from->ticket || !to->ticket || !from->is_timed || !to->is_timed) return INVALID_HANDLE;
    if (!from->ticket->is_done || !to->ticket->is_done) return NOT_READY;
    return *millis = float(to->ticket->millis - from->ticket->millis), SUCCESS;
}

static Result copy(void* to, const void* from, size_t bytes, Stream* stream) {
    return enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}
Result cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    if (is_foreign(to, stream)) return INVALID_VALUE;
    return copy(reinterpret_cast<void*>(to), from, bytes, stream);
}
Result cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    if (is_foreign(from, stream)) return INVALID_VALUE;
    return copy(to, reinterpret_cast<const void*>(from), bytes, stream);
}
Result cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    if (is_foreign(to, stream) || is_foreign(from, stream)) return INVALID_VALUE;
    return copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes, stream);
}
Result cuMemcpyPeerAsync(Address to, void* to_context, Address from, void* from_context, size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    if (current != stream->context || owner(to) != to_context || owner(from) != from_context) return INVALID_VALUE;
    return copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes, stream);
}
// Both memories are the host's here, whatever their types.
struct Copy2D {
    size_t from_x, from_y;
    int from_type;
    const char* from_host;
    Address from_device;
    void* from_array;
    size_t from_pitch, to_x, to_y;
    int to_type;
    char* to_host;
    Address to_device;
    void* to_array;
    size_t to_pitch, width, height;
};
Result cuMemcpy2DAsync_v2(const Copy2D* given, Stream* stream) {
    NEED_CONTEXT;
    const int HOST = 1, ARRAY = 3;
    Copy2D c = *given;
    if (c.from_type == ARRAY || c.to_type == ARRAY || c.width > c.from_pitch || c.width > c.to_pitch) return INVALID_VALUE;
    const char* from = c.from_type == HOST ? c.from_host : reinterpret_cast<const char*>(c.from_device);
    char* to = c.to_type == HOST ? c.to_host : reinterpret_cast<char*>(c.to_device);
    return enqueue(stream, [=] {
        for (size_t y = 0; y < c.height; y++)
            std::memcpy(
                to + (c.to_y + y) * c.to_pitch + c.to_x, from + (c.from_y + y) * c.from_pitch + c.from_x, c.width
            );
    });
}
Result cuMemsetD8Async(Address to, unsigned char value, size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    return enqueue(stream, [=] { std::memset(reinterpret_cast<void*>(to), value, bytes); });
}

Result cuModuleLoadData(Module** module, const void* image) {
    NEED_CONTEXT;
    return *module = new Module{static_cast<const char*>(image)}, SUCCESS;
}
Result cuModuleUnload(Module* module) { return delete module, SUCCESS; }
// The kernel comes from the libraries beside this one, the size of its parameters from the PTX.
Result cuModuleGetFunction(Function** function, Module* module, const char* name) {
    NEED_CONTEXT;
    std::string declaration = std::string(name) + "_param_0[";
    size_t at = module->ptx.find(declaration);
    if (at == std::string::npos) return NOT_FOUND;
    size_t bytes = std::strtoul(module->ptx.c_str() + at + declaration.size(), nullptr, 10);
    Dl_info self;
    dladdr(reinterpret_cast<void*>(&cuInit), &self);
    std::string folder(self.dli_fname);
    folder.resize(folder.rfind('/') + 1);
    DIR* entries = opendir(folder.c_str());
    Kernel kernel = nullptr;
    while (dirent* entry = entries && !kernel ? readdir(entries) : nullptr) {
        std::string file(entry->d_name);
        if (file.rfind("kernels_", 0) != 0) continue;
        void* library = dlopen((folder + file).c_str(), RTLD_NOW | RTLD_LOCAL);
        kernel = library ? reinterpret_cast<Kernel>(dlsym(library, name)) : nullptr;
    }
    if (entries) closedir(entries);
    if (!kernel) return NOT_FOUND;
    return *function = new Function{kernel, bytes}, SUCCESS;
}
Result cuLaunchKernel(
    Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned,
    Stream* stream, void** params, void**
) {
    NEED_CONTEXT;
    if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || bx * by * bz > 1024) return INVALID_VALUE;
    std::string bytes(static_cast<const char*>(params[0]), function->params_bytes);
    for (size_t at = 0; at + sizeof(Address) <= bytes.size(); at += sizeof(Address)) {
        Address address;
        std::memcpy(&address, bytes.data() + at, sizeof(Address));
        if (is_foreign(address, stream)) return INVALID_VALUE;
    }
    return enqueue(stream, [=] {
        unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
        function->kernel(grid, block, bytes.data());
    });
}
}
