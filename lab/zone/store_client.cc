#include "lab/zone/store_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/file.h"

namespace lab {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;
using krata::store::Operation;

Result<StoreClient> StoreClient::connect(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!fd.valid() || path.size() >= sizeof(address.sun_path)) {
    return Error::from_errno(ENAMETOOLONG, "connect to " + path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Error::from_errno(errno, "connect to " + path);
  }
  return StoreClient(std::move(fd));
}

Result<StoreClient> StoreClient::open(const std::string& device) {
  Fd fd(::open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    return Error::from_errno(errno, "open " + device);
  }
  return StoreClient(std::move(fd));
}

Result<StoreClient::Received> StoreClient::next() {
  while (true) {
    if (const auto message = inbox_.next()) {
      return Received{.operation = message->operation, .payload = std::string(message->payload)};
    }
    std::array<char, 4096> chunk{};
    const ssize_t got = ::read(fd_.get(), chunk.data(), chunk.size());
    if (got <= 0) {
      return Error(ErrorCode::unavailable, "the store has closed the connection");
    }
    inbox_.append({chunk.data(), static_cast<std::size_t>(got)});
  }
}

Result<std::string> StoreClient::ask(Operation operation, std::string_view payload, std::uint32_t transaction) {
  std::string message;
  krata::store::append_message(
      message, {.operation = std::to_underlying(operation), .request = 0, .transaction = transaction}, payload);
  KRAIT_CHECK(common::write_all(fd_.get(), message, "the store's socket"));
  while (true) {
    KRAIT_TRY(Received answer, next());
    if (answer.operation == std::to_underlying(Operation::error)) {
      return Error(ErrorCode::invalid_input,
                   std::string(payload.substr(0, payload.find('\0'))) + ": the store says " + answer.payload.c_str());
    }
    if (answer.operation != std::to_underlying(Operation::watch_event)) {
      return std::move(answer.payload);
    }
    events_.emplace_back(answer.payload.c_str());
  }
}

Result<void> StoreClient::write(const std::string& path, std::string_view value, std::uint32_t transaction) {
  KRAIT_CHECK(ask(Operation::write, std::string(path).append(1, '\0').append(value), transaction));
  return {};
}

Result<std::string> StoreClient::read(const std::string& path, std::uint32_t transaction) {
  return ask(Operation::read, std::string(path).append(1, '\0'), transaction);
}

Result<void> StoreClient::watch(const std::string& path) {
  KRAIT_CHECK(ask(Operation::watch, std::string(path).append(1, '\0').append("token").append(1, '\0')));
  return {};
}

Result<std::string> StoreClient::next_event() {
  while (events_.empty()) {
    KRAIT_TRY(const Received message, next());
    if (message.operation == std::to_underlying(Operation::watch_event)) {
      events_.emplace_back(message.payload.c_str());
    }
  }
  std::string path = std::move(events_.front());
  events_.pop_front();
  return path;
}

}  // namespace lab
