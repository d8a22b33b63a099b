#include "krait/enforce/key_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr const char* kIsCredential =
    "the key comes from the service manager: put the new one into the credential, then systemctl restart krait-agent";

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("rename {} to {}", from, to));
  }
  return {};
}

}  // namespace

Result<wireguard::PrivateKey> load_key(const model::Host& host) {
  const std::string& file = host.private_key_file;
  auto key = file.empty() ? wireguard::PrivateKey::load_credential(host.private_key_credential)
                          : wireguard::PrivateKey::load(file);
  if (!key && key.error().code() == ErrorCode::not_found) {
    return Error(
        ErrorCode::invalid_input,
        file.empty() ? key.error().text() : fmt::format("there is no key file {0}; make one: krait keygen {0}", file));
  }
  return key;
}

Result<std::string> next_key_file(const model::Host& host) {
  if (host.private_key_file.empty()) {
    return Error(ErrorCode::unsupported, kIsCredential);
  }
  return host.private_key_file + ".next";
}

Result<wireguard::PrivateKey> waiting_key(const model::Host& host) {
  KRAIT_TRY(const auto file, next_key_file(host));
  auto key = wireguard::PrivateKey::load(file);
  if (key || key.error().code() != ErrorCode::not_found) {
    return key;
  }
  auto made = wireguard::PrivateKey::generate();
  KRAIT_CHECK(made.save(file));
  return made;
}

Result<KeyExchange> KeyExchange::begin(const model::Host& host) {
  KRAIT_TRY(auto next_file, next_key_file(host));
  auto key = wireguard::PrivateKey::load(next_file);
  if (!key) {
    return key.error().code() == ErrorCode::not_found
               ? Error(ErrorCode::not_found, fmt::format("there is no {}; make the next key and tell the peers of it "
                                                         "first: krait key next",
                                                         next_file))
               : common::passed_on(key, "read the next key");
  }
  KeyExchange exchange(host.private_key_file, std::move(next_file), std::move(*key));
  ::unlink(exchange.former_file().c_str());
  if (::link(exchange.file_.c_str(), exchange.former_file().c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("keep {} as {}", exchange.file_, exchange.former_file()));
  }
  if (auto done = rename_file(exchange.next_file_, exchange.file_); !done) {
    ::unlink(exchange.former_file().c_str());
    return std::move(done.error());
  }
  return exchange;
}

void KeyExchange::settle() { ::unlink(former_file().c_str()); }

Result<void> KeyExchange::undo() {
  auto back = rename_file(file_, next_file_);
  return back ? rename_file(former_file(), file_) : std::move(back);
}

}  // namespace krait::enforce
