// 32 bytes that nobody else may see: private keys and seeds, and the files that they are kept in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

namespace krait::crypto {

// Wiped on release, never printed. Move-only.
class Secret {
 public:
  static constexpr std::size_t kBytes = 32;

  // Reads a key file: 32 bytes in base64, as wg(8) writes them, and at most white space behind. Refuses a file that
  // group or others may access (the message says: chmod 600), and one that is no regular file. `made_by`: the command
  // that makes such a file, for messages. Blocks on the file system.
  static common::Result<Secret> load(const std::string& path, std::string_view made_by);
  // What a key file holds; none when it is no key, all zeros included. Pure; the text stays the caller's to wipe.
  static std::optional<Secret> parse(std::string_view text);
  // Reads the credential that the service manager has laid ready under this name (systemd.exec(5), LoadCredential=).
  // Without a service manager that has any: not_found.
  static common::Result<Secret> load_credential(const std::string& name, std::string_view made_by);
  static Secret random();  // from the kernel's random numbers; ends the process where there are none
  static Secret of(std::span<const std::uint8_t, kBytes> bytes);  // a copy; the source stays the caller's to wipe

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // Of this as a private key of X25519 (RFC 7748).
  [[nodiscard]] std::array<std::uint8_t, kBytes> x25519_public_key() const;
  // Writes the key file with mode 0600; never over an existing file (invalid_input). Written by root it belongs to
  // whoever owns the folder. Durable when it returns.
  [[nodiscard]] common::Result<void> save(const std::string& path) const;

  [[nodiscard]] const std::array<std::uint8_t, kBytes>& bytes() const { return bytes_; }
  [[nodiscard]] std::array<std::uint8_t, kBytes>& bytes() { return bytes_; }

 private:
  Secret() = default;
  static common::Result<Secret> read(int fd, const std::string& path, std::string_view made_by);
  std::array<std::uint8_t, kBytes> bytes_{};
};

}  // namespace krait::crypto
