// Files mapped into memory for JavaScript: an ArrayBuffer over the page cache, private and read-only. A write through
// it would end the process with SIGSEGV, which is wanted: weights and contexts are never modified in place.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

// Marks the buffers made here, so that no other buffer is taken from its owner.
constexpr napi_type_tag kMappedTag = {0x5b0e7d92c4f14a68u, 0x93d6a27f18e54cb1u};

struct Mapping {
  void* address;
  size_t bytes;
  int holders;        // the call that makes the buffer, and the buffer's finalizer
  bool is_uncounted;  // its bytes are taken off the runtime's count, see uncount
};

void unmap(Mapping* mapping) {
  if (mapping->address != nullptr) munmap(mapping->address, mapping->bytes);
  mapping->address = nullptr;
}

void let_go(Mapping* mapping) {
  if (--mapping->holders == 0) delete mapping;
}

// A runtime counts a buffer's bytes as its own memory and collects garbage the sooner, which no garbage would call for: these
// are the system's, pages of a file. So they are taken off that count, and put back when the runtime subtracts them itself:
// a count that sinks below zero makes every allocation behind it seem a large one.
void adjust(napi_env env, int64_t bytes) {
  int64_t counted = 0;
  napi_adjust_external_memory(env, bytes, &counted);
}

void uncount(napi_env env, Mapping& mapping) {
  adjust(env, -int64_t(mapping.bytes));
  mapping.is_uncounted = true;
}

void count_again(napi_env env, Mapping& mapping) {
  if (mapping.is_uncounted) adjust(env, int64_t(mapping.bytes));
  mapping.is_uncounted = false;
}

// Of a buffer that was never unmapped the runtime has subtracted the bytes a moment ago.
void finalize_mapping(napi_env env, void*, void* hint) {
  Mapping* mapping = static_cast<Mapping*>(hint);
  count_again(env, *mapping);
  unmap(mapping);
  let_go(mapping);
}

// Throws an Error whose `code` is the errno's name where the caller tells cases apart, as Node's own fs does.
napi_value fail(napi_env env, const char* code, const char* sentence) {
  napi_throw_error(env, code, sentence);
  return nullptr;
}

const char* code_of(int error) {
  switch (error) {
    case ENOENT: return "ENOENT";
    case EACCES: return "EACCES";
    case EPERM: return "EPERM";
    case EISDIR: return "EISDIR";
    case ENOTDIR: return "ENOTDIR";
    case EMFILE: return "EMFILE";
    case ENOMEM: return "ENOMEM";
    default: return "EIO";
  }
}

// The whole file, or an address of null with a pending exception.
Mapping map_path(napi_env env, const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail(env, code_of(errno), strerror(errno)), Mapping{};
  struct stat status {};
  Mapping mapping{};
  if (fstat(file, &status) != 0)
    fail(env, code_of(errno), strerror(errno));
  else if (S_ISDIR(status.st_mode))
    fail(env, "EISDIR", "is a directory");
  else if (!S_ISREG(status.st_mode))
    fail(env, "EINVAL", "is not a regular file");
  else if (status.st_size == 0)
    fail(env, "EMPTY", "is empty");
  else {
    void* address = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED)
      fail(env, code_of(errno), strerror(errno));
    else
      mapping = {address, size_t(status.st_size), 2, false};
  }
  close(file);
  return mapping;
}

}  // namespace

// mapFile(path) → ArrayBuffer. A runtime that refuses the memory may have called the finalizer already (Node does, for
// files above its limit, with its own exception), may call it later or never; `holders` fits all three.
napi_value map_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "mapFile", 1);
  if (!arguments.ok()) return nullptr;
  size_t length = 0;
  if (!arguments.require_type(napi_get_value_string_utf8(env, arguments.value(0), nullptr, 0, &length) == napi_ok,
                              "path must be a string"))
    return nullptr;
  char* path = static_cast<char*>(malloc(length + 1));
  if (path == nullptr) return fail(env, "ENOMEM", "out of memory");
  napi_get_value_string_utf8(env, arguments.value(0), path, length + 1, &length);
  const bool whole = strlen(path) == length;
  const Mapping mapped = whole ? map_path(env, path) : Mapping{};
  free(path);
  if (!whole) return fail(env, "EINVAL", "the path contains a zero byte");
  if (mapped.address == nullptr) return nullptr;

  Mapping* mapping = new Mapping(mapped);
  napi_value buffer = nullptr;
  const bool made = napi_create_external_arraybuffer(env, mapping->address, mapping->bytes, finalize_mapping, mapping,
                                                     &buffer) == napi_ok;
  if (!made) unmap(mapping);
  let_go(mapping);
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (is_pending) return nullptr;
  if (!made) return fail(env, "EXTERNAL", "this runtime does not allow memory that it has not allocated");
  napi_type_tag_object(env, buffer, &kMappedTag);
  // For unmapFile; where a runtime cannot remember it, its count stays as it is.
  if (napi_wrap(env, buffer, mapping, nullptr, nullptr, nullptr) == napi_ok) uncount(env, *mapping);
  return buffer;
}

// unmapFile(buffer): every view of it becomes empty; the memory goes when the runtime lets go of the buffer.
napi_value unmap_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "unmapFile", 1);
  bool is_buffer = false, tagged = false;
  if (!arguments.ok()) return nullptr;
  const bool fits = napi_is_arraybuffer(env, arguments.value(0), &is_buffer) == napi_ok && is_buffer &&
                    napi_check_object_type_tag(env, arguments.value(0), &kMappedTag, &tagged) == napi_ok && tagged;
  if (!arguments.require_type(fits, "expected an ArrayBuffer made by mapFile")) return nullptr;
  bool is_detached = false;  // unmapped already, or transferred: its mapping may be gone
  void* mapping = nullptr;
  napi_is_detached_arraybuffer(env, arguments.value(0), &is_detached);
  if (!is_detached && napi_remove_wrap(env, arguments.value(0), &mapping) == napi_ok)
    count_again(env, *static_cast<Mapping*>(mapping));
  arguments.require_type(napi_detach_arraybuffer(env, arguments.value(0)) == napi_ok, "the buffer cannot be detached");
  return nullptr;
}

}  // namespace compactor
