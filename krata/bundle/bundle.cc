#include "krata/bundle/bundle.h"

#include <optional>
#include <utility>

#include "common/digest.h"
#include "krata/bundle/bytes.h"
#include "krata/bundle/check.h"

namespace krata::bundle {

using common::Result;

namespace {

constexpr std::string_view kMagic = "kratabdl";
constexpr std::size_t kHeaderBytes = 32;

// Records lie in the order of these numbers; those that may be there several times one after the other.
enum class Record : std::uint16_t {
  zone_id = 1,
  hostname = 2,
  process = 3,
  stop_signal = 4,
  image_device = 5,
  scratch = 6,
  disk = 7,
  host = 8,
  name_server = 9,
  search_domain = 10,
  resolver_option = 11,
  key = 12,
};
constexpr std::uint16_t kLastOfOne = static_cast<std::uint16_t>(Record::scratch);  // those up to here are there once

void append_record(std::string& out, Record kind, std::string_view bytes) {
  append_number(out, static_cast<std::uint16_t>(kind));
  append_number(out, std::uint16_t{0});
  append_string(out, bytes);
}

template <typename... Texts>
std::string strings_of(const Texts&... texts) {
  std::string out;
  (append_string(out, texts), ...);
  return out;
}

Result<void> check_disk(const Disk& disk) {
  KRAIT_CHECK(check_device(disk.device, "the device of a disk"));
  KRAIT_CHECK(check_path(disk.path, "the path of a disk"));
  if (disk.path == "/") {
    return refused("a disk cannot take the place of the whole image: its path is /");
  }
  return check_device(disk.file_system, "the file system of a disk");
}

Result<void> check_host(const Host& host) {
  KRAIT_CHECK(check_word(host.address, "the address of a host"));
  std::string_view left = host.names;
  for (;;) {
    const std::size_t space = left.find(' ');
    KRAIT_CHECK(check_word(left.substr(0, space), "a host's name"));
    if (space == std::string_view::npos) {
      return {};
    }
    left.remove_prefix(space + 1);
  }
}

Result<void> check_key(const Key& key) {
  KRAIT_CHECK(check_file_name(key.name, "the name of a key"));
  if (key.bytes.size() > kMaxKeyBytes) {
    return too_much("the key {} has {} bytes; {} is the most", key.name, key.bytes.size(), kMaxKeyBytes);
  }
  return {};
}

Result<void> check_words(const std::vector<std::string>& words, std::string_view what) {
  if (words.size() > kMaxNames) {
    return too_much("there are {} of {}s; {} is the most", words.size(), what, kMaxNames);
  }
  for (const std::string& word : words) {
    KRAIT_CHECK(check_word(word, what));
  }
  return {};
}

template <typename Value>
Result<void> check_all(const std::vector<Value>& values, std::size_t most, std::string_view what,
                       Result<void> (*check)(const Value&)) {
  if (values.size() > most) {
    return too_much("there are {} {}; {} is the most", values.size(), what, most);
  }
  for (const Value& value : values) {
    KRAIT_CHECK(check(value));
  }
  return {};
}

Result<void> check_bundle(const Bundle& bundle) {
  KRAIT_CHECK(check_zone_id(bundle.zone_id));
  KRAIT_CHECK(check_hostname(bundle.hostname));
  KRAIT_CHECK(check_process(bundle.process));
  KRAIT_CHECK(check_signal(bundle.stop_signal));
  KRAIT_CHECK(check_device(bundle.image_device, "the image's device"));
  if (!bundle.scratch_device.empty()) {
    KRAIT_CHECK(check_device(bundle.scratch_device, "the scratch disk's device"));
  }
  KRAIT_CHECK(check_all(bundle.disks, kMaxDisks, "disks", check_disk));
  KRAIT_CHECK(check_all(bundle.hosts, kMaxHosts, "hosts", check_host));
  KRAIT_CHECK(check_words(bundle.name_servers, "name server"));
  KRAIT_CHECK(check_words(bundle.search_domains, "search domain"));
  KRAIT_CHECK(check_words(bundle.resolver_options, "resolver option"));
  return check_all(bundle.keys, kMaxKeys, "keys", check_key);
}

std::string scratch_record(const Bundle& bundle) {
  std::string out;
  append_number(out, bundle.scratch_bytes);
  append_string(out, bundle.scratch_device);
  return out;
}

std::string disk_record(const Disk& disk) {
  std::string out;
  append_number(out, static_cast<std::uint8_t>(disk.read_only ? 1 : 0));
  return out + strings_of(disk.device, disk.path, disk.file_system);
}

Result<std::string> write_body(const Bundle& bundle) {
  KRAIT_TRY(const auto process, write_process(bundle.process));
  std::string stop_signal;
  append_number(stop_signal, bundle.stop_signal);
  std::string body;
  append_record(body, Record::zone_id, bundle.zone_id);
  append_record(body, Record::hostname, bundle.hostname);
  append_record(body, Record::process, process);
  append_record(body, Record::stop_signal, stop_signal);
  append_record(body, Record::image_device, bundle.image_device);
  append_record(body, Record::scratch, scratch_record(bundle));
  for (const Disk& disk : bundle.disks) {
    append_record(body, Record::disk, disk_record(disk));
  }
  for (const Host& host : bundle.hosts) {
    append_record(body, Record::host, strings_of(host.address, host.names));
  }
  for (const auto& [kind, words] :
       {std::pair(Record::name_server, &bundle.name_servers), std::pair(Record::search_domain, &bundle.search_domains),
        std::pair(Record::resolver_option, &bundle.resolver_options)}) {
    for (const std::string& word : *words) {
      append_record(body, kind, word);
    }
  }
  for (const Key& key : bundle.keys) {
    append_record(body, Record::key, strings_of(key.name, key.bytes));
  }
  return body;
}

common::Error malformed(std::string_view what) { return refused("the bundle is malformed: {}", what); }

// Reads what records hold into the bundle. The values are checked when all are there.
class RecordReader {
 public:
  explicit RecordReader(Bundle& bundle) : bundle_(bundle) {}

  Result<void> read(Record kind, std::string_view bytes) {
    ByteReader reader(bytes);
    switch (kind) {
      case Record::zone_id:
        bundle_.zone_id = bytes;
        return {};
      case Record::hostname:
        bundle_.hostname = bytes;
        return {};
      case Record::process: {
        KRAIT_TRY(bundle_.process, read_process(bytes));
        return {};
      }
      case Record::stop_signal:
        return stop_signal(reader);
      case Record::image_device:
        bundle_.image_device = bytes;
        return {};
      case Record::scratch:
        return scratch(reader);
      case Record::disk:
        return disk(reader);
      case Record::host:
        return pair(reader, [this](std::string_view one, std::string_view two) {
          bundle_.hosts.push_back({std::string(one), std::string(two)});
        });
      case Record::name_server:
        bundle_.name_servers.emplace_back(bytes);
        return {};
      case Record::search_domain:
        bundle_.search_domains.emplace_back(bytes);
        return {};
      case Record::resolver_option:
        bundle_.resolver_options.emplace_back(bytes);
        return {};
      case Record::key:
        return pair(reader, [this](std::string_view one, std::string_view two) {
          bundle_.keys.push_back({std::string(one), std::string(two)});
        });
    }
    return malformed("it has a record of an unknown kind");
  }

 private:
  Result<void> stop_signal(ByteReader& reader) {
    const auto number = reader.number<std::uint32_t>();
    if (!number || !reader.at_end()) {
      return malformed("the stop signal");
    }
    bundle_.stop_signal = *number;
    return {};
  }

  Result<void> scratch(ByteReader& reader) {
    const auto bytes = reader.number<std::uint64_t>();
    const auto device = reader.string();
    if (!device || !reader.at_end()) {
      return malformed("the scratch disk");
    }
    bundle_.scratch_bytes = *bytes;
    bundle_.scratch_device = *device;
    return {};
  }

  Result<void> disk(ByteReader& reader) {
    const auto read_only = reader.number<std::uint8_t>();
    const auto device = reader.string();
    const auto path = reader.string();
    const auto file_system = reader.string();
    if (!file_system || !reader.at_end() || *read_only > 1) {
      return malformed("a disk");
    }
    bundle_.disks.push_back({.device = std::string(*device),
                             .path = std::string(*path),
                             .file_system = std::string(*file_system),
                             .read_only = *read_only == 1});
    return {};
  }

  template <typename Take>
  Result<void> pair(ByteReader& reader, const Take& take) {
    const auto one = reader.string();
    const auto two = reader.string();
    if (!two || !reader.at_end()) {
      return malformed("a pair of strings");
    }
    take(*one, *two);
    return {};
  }

  Bundle& bundle_;
};

Result<Bundle> read_body(std::string_view body) {
  Bundle bundle;
  RecordReader records(bundle);
  ByteReader reader(body);
  std::uint16_t last = 0;
  while (!reader.at_end()) {
    const auto kind = reader.number<std::uint16_t>();
    const auto zero = reader.number<std::uint16_t>();
    const auto bytes = reader.string();
    if (!bytes || *zero != 0) {
      return malformed("a record does not end within it");
    }
    const bool in_order = *kind > kLastOfOne ? *kind >= last && last >= kLastOfOne : *kind == last + 1;
    if (!in_order) {
      return malformed("a record is missing, repeated or out of order");
    }
    KRAIT_CHECK(records.read(Record{*kind}, *bytes));
    last = *kind;
  }
  if (last < kLastOfOne) {
    return malformed("it ends before its last record");
  }
  KRAIT_CHECK(check_bundle(bundle));
  return bundle;
}

}  // namespace

Result<std::string> write_bundle(const Bundle& bundle) {
  KRAIT_CHECK(check_bundle(bundle));
  KRAIT_TRY(const auto body, write_body(bundle));
  if (kHeaderBytes + body.size() > kMaxBytes) {
    return too_much("what the zone is told has {} bytes; {} is the most", kHeaderBytes + body.size(), kMaxBytes);
  }
  std::string disk(kMagic);
  append_number(disk, kVersion);
  append_number(disk, static_cast<std::uint32_t>(body.size()));
  append_number(disk, common::Digest::of(body).low);
  append_number(disk, std::uint64_t{0});
  disk += body;
  disk.resize((disk.size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  return disk;
}

Result<std::size_t> bundle_bytes(std::string_view first_sector) {
  ByteReader reader(first_sector);
  if (reader.piece(kMagic.size()) != kMagic) {
    return refused("the disk holds no bundle");
  }
  const auto version = reader.number<std::uint32_t>();
  const auto body_bytes = reader.number<std::uint32_t>();
  if (!body_bytes) {
    return malformed("it ends within its header");
  }
  if (*version != kVersion) {
    return common::Error(common::ErrorCode::unsupported,
                         fmt::format("the bundle has version {}, and this program reads {}: take krata-init and the "
                                     "daemon of the same release",
                                     *version, kVersion));
  }
  if (*body_bytes > kMaxBytes - kHeaderBytes) {
    return too_much("the bundle has {} bytes; {} is the most", kHeaderBytes + std::size_t{*body_bytes}, kMaxBytes);
  }
  return kHeaderBytes + *body_bytes;
}

Result<Bundle> read_bundle(std::string_view disk) {
  KRAIT_TRY(const std::size_t bytes, bundle_bytes(disk));
  if (bytes > disk.size()) {
    return malformed("the disk ends before it");
  }
  ByteReader reader(disk.substr(0, bytes));
  reader.piece(kMagic.size() + 2 * sizeof(std::uint32_t));
  const auto checksum = reader.number<std::uint64_t>();
  const auto zero = reader.number<std::uint64_t>();
  if (zero != std::uint64_t{0}) {
    return malformed("its header is not zero where it must be");
  }
  const std::string_view body = reader.left();
  if (common::Digest::of(body).low != checksum) {
    return malformed("the checksum is another");
  }
  return read_body(body);
}

}  // namespace krata::bundle
