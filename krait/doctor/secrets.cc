#include "krait/doctor/secrets.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is the C library's own

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/file.h"
#include "krait/wireguard/wireguard.h"

namespace krait::doctor {

namespace {

constexpr std::string_view kLeftOut = "[left out]";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kBase64Characters = 44;  // of 32 bytes, the last one '='
constexpr std::size_t kHexCharacters = 64;
constexpr std::size_t kMaxKeyFileBytes = 256;

bool is_base64(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '+' || character == '/';
}

std::optional<unsigned> hex_digit(char character) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t at = kDigits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(character))));
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

std::optional<model::PublicKey> key_from_hex(std::string_view text) {
  model::PublicKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto high = hex_digit(text[2 * i]);
    const auto low = hex_digit(text[2 * i + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    key[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
  return key;
}

void replace_raw(std::string& text, const Secrets& secrets) {
  for (const model::PublicKey& key : secrets.keys()) {
    const std::string_view raw(reinterpret_cast<const char*>(key.data()), key.size());
    for (std::size_t at = text.find(raw); at != std::string::npos; at = text.find(raw, at)) {
      text.replace(at, raw.size(), kLeftOut);
    }
  }
}

// Replaces what `read` makes a key of at any place where `starts` says that one may begin.
template <typename Read>
std::string replace_coded(const std::string& text, std::size_t characters, const Secrets& secrets,
                          const std::set<model::PublicKey>& public_keys, const Read& read) {
  std::string kept;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto key =
        at + characters <= text.size() ? read(std::string_view(text).substr(at, characters)) : std::nullopt;
    const bool is_secret = key && std::ranges::find(secrets.keys(), *key) != secrets.keys().end();
    if (key && (is_secret || !public_keys.contains(*key))) {
      kept += kLeftOut;
      at += characters;
    } else if (key) {
      kept.append(text, at, characters);
      at += characters;
    } else {
      kept += text[at++];
    }
  }
  return kept;
}

std::optional<model::PublicKey> key_from_base64(std::string_view text) {
  // Cheap first: nearly no place holds one.
  if (text.back() != '=' || !std::ranges::all_of(text.substr(0, text.size() - 1), is_base64)) {
    return std::nullopt;
  }
  return model::parse_public_key(text);
}

}  // namespace

Secrets::~Secrets() {
  if (!keys_.empty()) {
    ::explicit_bzero(keys_.data(), keys_.size() * sizeof(keys_[0]));
  }
}

void Secrets::add(const std::uint8_t* key) {
  model::PublicKey& place = keys_.emplace_back();
  std::copy_n(key, kKeyBytes, place.begin());
}

Secrets find_secrets(const std::string& private_key_file, const std::set<model::PublicKey>& public_keys) {
  Secrets secrets;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(private_key_file).parent_path(), error)) {
    auto text = common::read_file_of_others(entry.path(), kMaxKeyFileBytes);
    if (!text) {
      continue;
    }
    const std::size_t end = text->find_last_not_of(" \t\r\n");
    if (end + 1 == kBase64Characters) {
      if (auto key = model::parse_public_key(std::string_view(*text).substr(0, kBase64Characters))) {
        if (entry.path() == private_key_file || !public_keys.contains(*key)) {
          secrets.add(key->data());
        }
        ::explicit_bzero(key->data(), key->size());
      }
    }
    ::explicit_bzero(text->data(), text->size());
  }
  return secrets;
}

std::string without_secrets(std::string text, const Secrets& secrets, const std::set<model::PublicKey>& public_keys) {
  replace_raw(text, secrets);
  text = replace_coded(text, kBase64Characters, secrets, public_keys, key_from_base64);
  return replace_coded(text, kHexCharacters, secrets, public_keys, key_from_hex);
}

}  // namespace krait::doctor
