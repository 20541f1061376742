// Loads the object code of kernels: an ELF file of one module that needs nothing from outside.
//
// Sections are laid out one after the other, so that relative addresses reach; every number of the file is checked.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "../../solve/native/export.h"

namespace cajax::program {
namespace {

struct Header {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, program_headers, section_headers;
  std::uint32_t flags;
  std::uint16_t size, program_size, program_count, section_size, section_count, name_section;
};
struct Section {
  std::uint32_t name, type;
  std::uint64_t flags, address, offset, size;
  std::uint32_t link, info;
  std::uint64_t alignment, entry_size;
};
struct Symbol {
  std::uint32_t name;
  unsigned char info, other;
  std::uint16_t section;
  std::uint64_t value, size;
};
struct Relocation {
  std::uint64_t offset, info;
  std::int64_t addend;
};

constexpr std::uint32_t kSymbols = 2, kRelocations = 4, kNoBits = 8;
constexpr std::uint64_t kAllocated = 2;

[[noreturn]] void bad(const std::string& what) { throw std::runtime_error(what); }

class Object {
 public:
  Object(const unsigned char* data, std::uint64_t size) : data_(data), size_(size) {
    header_ = read<Header>(0);
    if (std::memcmp(header_.ident, "\177ELF\2\1", 6) != 0 || header_.type != 1) bad("it is no 64-bit object file");
    if (header_.section_size != sizeof(Section)) bad("its sections have another form");
    for (std::uint64_t i = 0; i < header_.section_count; ++i) {
      sections_.push_back(read<Section>(header_.section_headers + i * sizeof(Section)));
      const Section& s = sections_.back();
      if (s.type != kNoBits && (s.offset > size_ || s.size > size_ - s.offset)) bad("a section ends outside");
      if (s.size > (std::uint64_t{1} << 30) || s.alignment > 4096) bad("a section is too large");
    }
  }

  // Places the sections that are needed at run time; returns the bytes they take.
  std::uint64_t layout() {
    std::uint64_t end = 0;
    for (const Section& s : sections_) {
      const std::uint64_t step = std::max<std::uint64_t>(s.alignment, 1);
      end = (end + step - 1) / step * step;
      at_.push_back(end);
      if (s.flags & kAllocated) end += s.size;
    }
    return end;
  }

  void copy(unsigned char* to) const {
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const Section& s = sections_[i];
      if ((s.flags & kAllocated) && s.type != kNoBits) std::memcpy(to + at_[i], data_ + s.offset, s.size);
    }
  }

  void relocate(unsigned char* base) const {
    for (const Section& s : sections_) {
      if (s.type != kRelocations) continue;
      if (s.info >= sections_.size() || s.link >= sections_.size()) bad("a relocation leads nowhere");
      const Section& target = sections_[s.info];
      if (!(target.flags & kAllocated)) continue;
      for (std::uint64_t i = 0; i < s.size / sizeof(Relocation); ++i) {
        const auto r = read<Relocation>(s.offset + i * sizeof(Relocation));
        if (r.offset > target.size || target.size - r.offset < 4) bad("a relocation is out of range");
        const std::uint64_t symbol = address(base, sections_[s.link], r.info >> 32);
        unsigned char* place = base + at_[s.info] + r.offset;
        apply(static_cast<std::uint32_t>(r.info), place, symbol + r.addend, target.size - r.offset);
      }
    }
  }

  std::uint64_t find(unsigned char* base, const std::string& name) const {
    for (const Section& s : sections_) {
      if (s.type != kSymbols || s.link >= sections_.size()) continue;
      for (std::uint64_t i = 0; i < s.size / sizeof(Symbol); ++i) {
        const auto symbol = read<Symbol>(s.offset + i * sizeof(Symbol));
        if (text(sections_[s.link], symbol.name) == name) return address(base, s, i);
      }
    }
    bad("it has no function " + name);
  }

 private:
  template <typename T>
  T read(std::uint64_t offset) const {
    if (offset > size_ || size_ - offset < sizeof(T)) bad("it ends too early");
    T found;
    std::memcpy(&found, data_ + offset, sizeof(T));
    return found;
  }

  std::string text(const Section& strings, std::uint32_t offset) const {
    std::string found;
    if (strings.type == kNoBits) return found;
    for (std::uint64_t i = offset; i < strings.size && data_[strings.offset + i]; ++i) {
      found.push_back(static_cast<char>(data_[strings.offset + i]));
    }
    return found;
  }

  std::uint64_t address(unsigned char* base, const Section& symbols, std::uint64_t index) const {
    if (index >= symbols.size / sizeof(Symbol)) bad("a symbol is missing");
    const auto symbol = read<Symbol>(symbols.offset + index * sizeof(Symbol));
    if (symbol.section == 0 || symbol.section >= sections_.size()) bad("it needs something from outside");
    const Section& s = sections_[symbol.section];
    if (!(s.flags & kAllocated) || symbol.value > s.size) bad("a symbol is out of range");
    return reinterpret_cast<std::uint64_t>(base) + at_[symbol.section] + symbol.value;
  }

  template <typename T>
  static void put(unsigned char* place, std::int64_t value, bool fits) {
    if (!fits) bad("an address is out of reach");
    const T x = static_cast<T>(value);
    std::memcpy(place, &x, sizeof(T));
  }

  // Bits of an instruction word: `mask` of them are replaced by `bits`.
  static void patch(unsigned char* place, std::uint32_t mask, std::uint32_t bits) {
    std::uint32_t word;
    std::memcpy(&word, place, 4);
    word = (word & ~mask) | (bits & mask);
    std::memcpy(place, &word, 4);
  }

  void apply(std::uint32_t type, unsigned char* place, std::uint64_t value, std::uint64_t room) const {
    const auto here = reinterpret_cast<std::uint64_t>(place);
    const auto relative = static_cast<std::int64_t>(value - here);
    const bool near = relative == static_cast<std::int32_t>(relative);
    if (header_.machine == 62) {  // x86-64
      if (type == 1 && room >= 8) return put<std::uint64_t>(place, static_cast<std::int64_t>(value), true);
      if (type == 2 || type == 4) return put<std::int32_t>(place, relative, near);
    } else if (header_.machine == 183) {  // AArch64
      const auto pages = static_cast<std::int64_t>((value >> 12) - (here >> 12));
      const auto low = static_cast<std::uint32_t>(value & 0xfff);
      switch (type) {
        case 257: if (room >= 8) return put<std::uint64_t>(place, static_cast<std::int64_t>(value), true); break;
        case 261: return put<std::int32_t>(place, relative, near);
        case 275:
          return patch(place, 0x60ffffe0u, static_cast<std::uint32_t>((pages & 3) << 29 | ((pages >> 2) & 0x7ffff) << 5));
        case 277: return patch(place, 0x3ffc00u, low << 10);
        case 278: return patch(place, 0x3ffc00u, low << 10);
        case 284: return patch(place, 0x3ffc00u, (low >> 1) << 10);
        case 285: return patch(place, 0x3ffc00u, (low >> 2) << 10);
        case 286: return patch(place, 0x3ffc00u, (low >> 3) << 10);
        case 299: return patch(place, 0x3ffc00u, (low >> 4) << 10);
        case 282: case 283: return patch(place, 0x3ffffffu, static_cast<std::uint32_t>(relative >> 2));
        default: break;
      }
    }
    bad("a relocation of type " + std::to_string(type) + " is not known");
  }

  const unsigned char* data_;
  std::uint64_t size_;
  Header header_;
  std::vector<Section> sections_;
  std::vector<std::uint64_t> at_;
};

unsigned char* memory(std::uint64_t size) {
#ifdef _WIN32
  return static_cast<unsigned char*>(VirtualAlloc(nullptr, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE));
#else
  void* found = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return found == MAP_FAILED ? nullptr : static_cast<unsigned char*>(found);
#endif
}

bool executable(unsigned char* at, std::uint64_t size) {
#ifdef _WIN32
  DWORD before;
  return VirtualProtect(at, size, PAGE_EXECUTE_READ, &before);
#else
  __builtin___clear_cache(reinterpret_cast<char*>(at), reinterpret_cast<char*>(at + size));
  return mprotect(at, size, PROT_READ | PROT_EXEC) == 0;
#endif
}

std::string load(const unsigned char* data, std::uint64_t size, const std::string& names, std::int64_t* addresses) try {
  Object object(data, size);
  const std::uint64_t bytes = (object.layout() + 4095) / 4096 * 4096 + 4096;
  unsigned char* base = memory(bytes);
  if (!base) return "no memory for it";
  object.copy(base);
  object.relocate(base);
  std::size_t begin = 0;
  for (std::size_t end; (end = names.find(' ', begin)) != std::string::npos; begin = end + 1) {
    *addresses++ = static_cast<std::int64_t>(object.find(base, names.substr(begin, end - begin)));
  }
  return executable(base, bytes) ? "" : "the system lets no memory be executed";
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace
}  // namespace cajax::program

// Loads object code for good and writes the addresses of functions, whose names each end in a space; returns null, or
// what is wrong.
extern "C" CAJAX_EXPORT const char* cajax_code_load(const unsigned char* data, std::int64_t size, const char* names,
                                                    std::int64_t* addresses) {
  static thread_local std::string error;
  error = cajax::program::load(data, static_cast<std::uint64_t>(size), names, addresses);
  return error.empty() ? nullptr : error.c_str();
}
