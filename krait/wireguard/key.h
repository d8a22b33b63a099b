// WireGuard's keys: X25519, in files of 32 bytes in base64 as wg(8) writes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krait/model/wireguard_image.h"

namespace krait::wireguard {

// A private key; wiped on release, never printed. Move-only.
class PrivateKey {
 public:
  // Reads a key file: 32 bytes in base64 and at most white space behind. Refuses a file that group or others may access
  // (the message says: chmod 600).
  static common::Result<PrivateKey> load(const std::string& path);
  // What a key file holds; none when it is no key, all zeros included. Pure; the text stays the caller's to wipe.
  static std::optional<PrivateKey> parse(std::string_view text);
  // Reads the credential that the service manager has laid ready under this name (systemd.exec(5), LoadCredential=).
  // Without a service manager that has any: not_found.
  static common::Result<PrivateKey> load_credential(const std::string& name);
  static PrivateKey generate();  // from the kernel's random numbers, clamped (RFC 7748)

  PrivateKey(PrivateKey&& other) noexcept;
  PrivateKey& operator=(PrivateKey&& other) noexcept;
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  ~PrivateKey();

  [[nodiscard]] model::PublicKey public_key() const;
  // Writes the key file with mode 0600; never over an existing file (invalid_input). Written by root it belongs to
  // whoever owns the folder.
  common::Result<void> save(const std::string& path) const;
  [[nodiscard]] const std::uint8_t* bytes() const { return bytes_.data(); }

 private:
  PrivateKey() = default;
  static common::Result<PrivateKey> read(int fd, const std::string& path);
  std::array<std::uint8_t, 32> bytes_{};
};

}  // namespace krait::wireguard
