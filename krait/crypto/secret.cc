#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <utility>

#include "common/fd.h"
#include "common/file.h"
#include "krait/crypto/key_mode.h"
#include "krait/crypto/secret.h"
#include "krait/crypto/wiped.h"

namespace krait::crypto {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kBase64Characters = 44;  // of 32 bytes, with padding
constexpr std::size_t kMaxFileBytes = 256;     // a key and some white space

constexpr std::size_t kSpilledBytes = 8192;  // more than the calls that see a key take of the stack

// libsodium 1.0.18 takes some bytes beyond ASCII for characters of base64.
bool decode(std::string_view text, std::array<std::uint8_t, 32>& key) {
  std::size_t length = 0;
  return text.size() == kBase64Characters &&
         std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; }) &&
         sodium_base642bin(key.data(), key.size(), text.data(), text.size(), nullptr, &length, nullptr,
                           sodium_base64_VARIANT_ORIGINAL) == 0 &&
         length == key.size();
}

// A folder and a name in it: whoever owns the folder's folder may exchange it between two look-ups of a path.
struct Place {
  common::Fd folder;
  std::string name;
};

Result<Place> place_of(const std::string& path, std::string_view doing) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  Place place{common::Fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), path.substr(slash + 1)};
  if (!place.folder.valid()) {
    return Error::from_errno(errno, fmt::format("{} the key file {}", doing, path));
  }
  return place;
}

// O_NONBLOCK: opening a pipe must not wait for its writer. A link in a folder of somebody else's is not followed: it
// may lead to a key that only we may read, or to a device that does something when it is opened.
Result<common::Fd> open_key(const std::string& path) {
  KRAIT_TRY(const auto place, place_of(path, "open"));
  struct stat owner{};
  const bool is_ours = ::fstat(place.folder.get(), &owner) == 0 && (owner.st_uid == 0 || owner.st_uid == ::geteuid());
  common::Fd fd(::openat(place.folder.get(), place.name.c_str(),
                         O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (is_ours ? 0 : O_NOFOLLOW)));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("open the key file {}", path));
  }
  return fd;
}

// What root makes for a service must be the service's.
Result<void> give_to_owner_of_folder(int fd, const common::Fd& folder, const std::string& path) {
  struct stat info{};
  if (::geteuid() != 0) {
    return {};
  }
  if (::fstat(folder.get(), &info) != 0 || ::fchown(fd, info.st_uid, info.st_gid) != 0) {
    return Error::from_errno(errno, fmt::format("give the key file {} to the owner of its folder", path));
  }
  return {};
}

Result<void> check_mode(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) {
    return Error::from_errno(errno, fmt::format("look at the key file {}", path));
  }
  return check_key_mode(info.st_mode, path);
}

std::string name_of(const std::string& path) { return fmt::format("the key file {}", path); }

}  // namespace

Result<void> check_key_mode(mode_t mode, const std::string& path) {
  if (!S_ISREG(mode)) {
    return Error(ErrorCode::invalid_input, fmt::format("the key file {} is not a regular file", path));
  }
  if ((mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("the key file {} has mode {:04o}, others may get at it; chmod 600 {}", path, mode & 07777U, path));
  }
  return {};
}

Result<Secret> Secret::load(const std::string& path, std::string_view made_by) {
  KRAIT_TRY(auto fd, open_key(path));
  KRAIT_CHECK(check_mode(fd.get(), path));
  return read(fd.get(), path, made_by);
}

// Its mode is the service manager's business: an access list for the service's user shows as rights of the group.
Result<Secret> Secret::load_credential(const std::string& name, std::string_view made_by) {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) {
    return Error(ErrorCode::not_found,
                 fmt::format("there is no credential {0}: the service manager gives them to the service alone "
                             "(LoadCredential={0}:FILE in krait-agent.service)",
                             name));
  }
  const std::string path = fmt::format("{}/{}", directory, name);
  KRAIT_TRY(auto fd, open_key(path));
  return read(fd.get(), path, made_by);
}

Result<Secret> Secret::read(int fd, const std::string& path, std::string_view made_by) {
  Wiped<std::array<char, kMaxFileBytes>> text;
  KRAIT_TRY(auto size, common::read_into(fd, text.value, name_of(path)));
  auto key = parse({text.value.data(), size});
  if (!key) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("the key file {} holds no private key; it takes 32 bytes in base64 ({})", path, made_by));
  }
  return std::move(*key);
}

std::optional<Secret> Secret::parse(std::string_view text) {
  Secret key;
  const bool good = text.size() >= kBase64Characters && text.size() < kMaxFileBytes &&
                    text.find_first_not_of(" \t\r\n", kBase64Characters) == std::string_view::npos &&
                    decode(text.substr(0, kBase64Characters), key.bytes_);
  if (!good || sodium_is_zero(key.bytes_.data(), key.bytes_.size()) != 0) {
    return std::nullopt;
  }
  return key;
}

Secret Secret::random() {
  if (sodium_init() < 0) {
    std::abort();  // the machine has no random numbers; a guessable key is worse
  }
  Secret key;
  randombytes_buf(key.bytes_.data(), key.bytes_.size());
  return key;
}

Secret Secret::of(std::span<const std::uint8_t, kBytes> bytes) {
  Secret key;
  std::ranges::copy(bytes, key.bytes_.begin());
  return key;
}

Secret::Secret(Secret&& other) noexcept : bytes_(other.bytes_) {
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    sodium_memzero(other.bytes_.data(), other.bytes_.size());
  }
  return *this;
}

// What read the key may have spilled registers with parts of it below its own frame, where nobody writes for long.
Secret::~Secret() {
  sodium_memzero(bytes_.data(), bytes_.size());
  sodium_stackzero(kSpilledBytes);
}

std::array<std::uint8_t, Secret::kBytes> Secret::x25519_public_key() const {
  std::array<std::uint8_t, kBytes> key{};
  crypto_scalarmult_base(key.data(), bytes_.data());
  return key;
}

Result<void> Secret::save(const std::string& path) const {
  KRAIT_TRY(const auto place, place_of(path, "make"));
  const common::Fd fd(::openat(place.folder.get(), place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid() && errno == EEXIST) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} exists already; a key is never overwritten, remove the file first", path));
  }
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("make the key file {}", path));
  }
  Wiped<std::array<char, kBase64Characters + 1>> text;
  sodium_bin2base64(text.value.data(), text.value.size(), bytes_.data(), bytes_.size(), sodium_base64_VARIANT_ORIGINAL);
  text.value.back() = '\n';
  auto written = common::write_all(fd.get(), {text.value.data(), text.value.size()}, name_of(path));
  if (written && ::fsync(fd.get()) != 0) {
    written = Error::from_errno(errno, fmt::format("write {}", name_of(path)));
  }
  if (written) {
    written = give_to_owner_of_folder(fd.get(), place.folder, path);
  }
  if (!written) {
    ::unlinkat(place.folder.get(), place.name.c_str(), 0);  // a part of a key is no key
  }
  return written;
}

}  // namespace krait::crypto
