#include "krait/datapath/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "krait/datapath/survey.h"

namespace krait::datapath {

namespace {

constexpr std::size_t kLogBytes = std::size_t{64} << 10U;

int stay_silent(enum libbpf_print_level, const char*, va_list) { return 0; }

// The last lines: where the verifier says why it refused.
std::string tail(const std::string& log) {
  std::string text = log.c_str();
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  std::size_t at = text.size();
  for (int lines = 0; lines < 6 && at != std::string::npos && at != 0; ++lines) {
    at = text.rfind('\n', at - 1);
  }
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

common::Error no_such(const char* kind, const char* name) {
  return {common::ErrorCode::system, fmt::format("the BPF object has no {} {}", kind, name)};
}

}  // namespace

void Object::Close::operator()(bpf_object* object) const { bpf_object__close(object); }

void silence_libbpf() { libbpf_set_print(stay_silent); }

std::uint32_t program_id(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(program_fd, &info, &bytes) == 0 ? info.id : 0;
}

common::Result<Object> Object::open(std::span<const unsigned char> elf, const char* name) {
  silence_libbpf();
  Object object;
  object.log_ = std::make_unique<std::string>(kLogBytes, '\0');
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.object_name = name;
  options.kernel_log_buf = object.log_->data();
  options.kernel_log_size = object.log_->size();
  object.object_.reset(bpf_object__open_mem(elf.data(), elf.size(), &options));
  if (!object.object_) {
    return common::Error::from_errno(errno, "open the BPF object");
  }
  return object;
}

common::Result<void> Object::set_entries(const char* map, std::uint32_t entries) {
  bpf_map* found = bpf_object__find_map_by_name(object_.get(), map);
  if (found == nullptr) {
    return no_such("map", map);
  }
  if (const int error = bpf_map__set_max_entries(found, entries); error != 0) {
    return common::Error::from_errno(-error, fmt::format("set the size of the map {}", map));
  }
  return {};
}

common::Result<void> Object::reuse_map(const char* map, int fd) {
  bpf_map* found = bpf_object__find_map_by_name(object_.get(), map);
  if (found == nullptr) {
    return no_such("map", map);
  }
  if (const int error = bpf_map__reuse_fd(found, fd); error != 0) {
    return common::Error::from_errno(-error, fmt::format("share the map {}", map));
  }
  return {};
}

common::Result<void> Object::leave_out(const char* program) {
  bpf_program* found = bpf_object__find_program_by_name(object_.get(), program);
  if (found == nullptr) {
    return no_such("program", program);
  }
  bpf_program__set_autoload(found, false);
  return {};
}

common::Result<void> Object::set_constant_bytes(const char* name, const void* value, std::size_t bytes) {
  bpf_map* constants = nullptr;
  bpf_object__for_each_map(constants, object_.get()) {
    if (std::strstr(bpf_map__name(constants), ".rodata") != nullptr) {
      break;
    }
  }
  const btf* types = bpf_object__btf(object_.get());
  const int section = types == nullptr ? -1 : btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (constants == nullptr || section < 0) {
    return no_such("section", ".rodata");
  }
  std::size_t size = 0;
  auto* memory = static_cast<std::byte*>(const_cast<void*>(bpf_map__initial_value(constants, &size)));
  const btf_type* variables = btf__type_by_id(types, static_cast<unsigned>(section));
  const btf_var_secinfo* variable = btf_var_secinfos(variables);
  for (int i = 0; i < btf_vlen(variables); ++i, ++variable) {
    const btf_type* type = btf__type_by_id(types, variable->type);
    if (std::strcmp(btf__name_by_offset(types, type->name_off), name) == 0 && variable->size == bytes &&
        variable->offset + bytes <= size) {
      std::memcpy(memory + variable->offset, value, bytes);
      return {};
    }
  }
  return no_such("constant", name);
}

common::Result<void> Object::load() {
  const int error = bpf_object__load(object_.get());
  if (error == 0) {
    return {};
  }
  const std::string why = tail(*log_);
  if (why.empty() && (error == -EPERM || error == -EACCES)) {
    return common::Error::from_errno(-error, "load the BPF programs: this needs root, or CAP_BPF and CAP_NET_ADMIN");
  }
  if (why.empty()) {
    return common::Error::from_errno(-error, "load the BPF programs");
  }
  if (!kernel_has_btf()) {
    constexpr const char* kNoBtf = "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF), or sysfs is not mounted";
    return common::Error(common::ErrorCode::unsupported, fmt::format("load the BPF programs: {}: {}", kNoBtf, why),
                         -error);
  }
  return common::Error::from_errno(-error, fmt::format("load the BPF programs: {}", why));
}

int Object::map_fd(const char* map) const {
  const bpf_map* found = bpf_object__find_map_by_name(object_.get(), map);
  return found == nullptr ? -1 : bpf_map__fd(found);
}

int Object::program_fd(const char* program) const {
  const bpf_program* found = bpf_object__find_program_by_name(object_.get(), program);
  return found == nullptr ? -1 : bpf_program__fd(found);
}

}  // namespace krait::datapath
