#include "krait/wire/talk.h"

#include <fmt/format.h>

#include <utility>

#include "common/event/timer.h"
#include "common/ip.h"
#include "krait/wire/dial.h"

namespace krait::wire {

using common::Error;
using common::ErrorCode;
using common::Result;

Result<void> Talk::run(const std::string& address, std::chrono::seconds patience) {
  const auto endpoint = common::Endpoint::parse(address);
  if (!endpoint) {
    return Error(ErrorCode::invalid_input, address + " is no address of a coordinator; write 192.0.2.10:7170");
  }
  KRAIT_TRY(auto fd, dial(*endpoint));
  KRAIT_TRY(connection_, Connection::start(loop_, std::move(fd), &tls_, options_.frames));
  connection_->set_user(*this);
  KRAIT_TRY(auto timer, common::Timer::create(loop_, [&] {
              fail(Error(ErrorCode::unavailable, fmt::format("no answer for {} s", patience.count())));
            }));
  timer.after(patience);
  failure_.reset();
  KRAIT_CHECK(loop_.run());
  connection_.reset();
  return failure_ ? Result<void>(std::move(*failure_)) : Result<void>();
}

void Talk::send(const Message& message) { connection_->send(encode(message)); }

void Talk::on_open() {
  if (connection_->peer() != options_.server) {
    fail(Error(ErrorCode::permission, "whoever answers there is not the coordinator whose key is known"));
    return;
  }
  send(Hello{.program = options_.program});
}

void Talk::on_frame(std::string_view bytes) {
  auto message = decode(bytes);
  if (!message) {
    fail(std::move(message.error()));
  } else if (auto* refused = std::get_if<Refused>(&*message)) {
    fail(Error(refused->code == RefusalCode::later ? ErrorCode::unavailable : ErrorCode::invalid_input,
               "the coordinator refuses: " + refused->text));
  } else if (auto done = answer_(*message); !done) {
    fail(std::move(done.error()));
  }
}

void Talk::on_closed(const std::string& why) {
  fail(Error(ErrorCode::unavailable, why.empty() ? "the coordinator has ended the connection" : why));
}

void Talk::fail(Error error) {
  if (!failure_) {
    failure_ = std::move(error);
  }
  loop_.stop();
}

}  // namespace krait::wire
