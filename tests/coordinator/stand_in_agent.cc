// Stands in for krait-agent where there is no WireGuard and no root: speaks its control socket, verifies and keeps
// states as it does, and enforces nothing. It says in LOG, a line each, what it took: "REVISION as KEY peers
// NAME/KEY... rules NAME,...", or "confirmed". usage: stand_in_agent JOINED_FILE SOCKET LOG
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/answer.h"
#include "common/event/loop.h"
#include "common/event/stream_server.h"
#include "common/event/timer.h"
#include "common/event/unix_socket.h"
#include "krait/control/protocol.h"
#include "krait/plan/joined.h"
#include "krait/wireguard/key.h"

namespace {

using common::Result;
using krait::control::Json;

class StandIn {
 public:
  StandIn(std::string joined, std::string log) : joined_(std::move(joined)), log_(std::move(log)) {}

  Json answer(std::string_view line) {
    const auto request = krait::control::parse_request(line);
    if (!request) {
      return common::error_json(request.error());
    }
    if (*request == krait::control::Request::take_state) {
      const auto taken = take();
      return taken ? Json{{"version", 1}, {"revision", *taken}} : common::error_json(taken.error());
    }
    if (*request == krait::control::Request::confirm_state) {
      std::ofstream(log_, std::ios::app) << "confirmed" << std::endl;
    }
    if (*request == krait::control::Request::prepare_key || *request == krait::control::Request::rotate_key) {
      const auto keys = *request == krait::control::Request::rotate_key ? rotate_key() : prepare_key();
      return keys ? *keys : common::error_json(keys.error());
    }
    may_go_back_ = may_go_back_ || *request == krait::control::Request::allow_older;
    return Json{{"version", 1}, {"revision", revision_}};
  }

 private:
  Result<Json> prepare_key() {
    KRAIT_TRY(const auto host, krait::plan::load_joined_host(joined_));
    KRAIT_TRY(const auto key, krait::wireguard::PrivateKey::load(host.private_key_file));
    if (!std::filesystem::exists(host.private_key_file + ".next")) {
      KRAIT_CHECK(krait::wireguard::PrivateKey::generate().save(host.private_key_file + ".next"));
    }
    KRAIT_TRY(const auto next, krait::wireguard::PrivateKey::load(host.private_key_file + ".next"));
    return Json{{"version", 1},
                {"public_key", krait::model::key_text(key.public_key())},
                {"next_public_key", krait::model::key_text(next.public_key())}};
  }

  Result<Json> rotate_key() {
    KRAIT_TRY(const auto host, krait::plan::load_joined_host(joined_));
    std::filesystem::rename(host.private_key_file + ".next", host.private_key_file);
    KRAIT_TRY(const auto key, krait::wireguard::PrivateKey::load(host.private_key_file));
    return Json{{"version", 1}, {"public_key", krait::model::key_text(key.public_key())}};
  }

  Result<std::uint64_t> take() {
    KRAIT_TRY(const auto host, krait::plan::load_joined_host(joined_));
    KRAIT_TRY(const auto key, krait::wireguard::PrivateKey::load(host.private_key_file));
    KRAIT_TRY(const auto offered, krait::plan::load_offered(host, key.public_key(), may_go_back_));
    KRAIT_CHECK(krait::plan::save_kept(host, offered.kept));
    may_go_back_ = false;
    std::string line =
        fmt::format("{} as {} peers", ++revision_, krait::model::key_text(key.public_key()).substr(0, 8));
    for (const auto& peer : offered.signed_files.files.mesh.peers) {
      line += fmt::format(" {}/{}", peer.name, peer.endpoint ? peer.endpoint->text() : "-");
    }
    line += " rules";
    for (const auto& rule : offered.signed_files.files.policy.rules) {
      line += " " + rule.name;
    }
    std::ofstream(log_, std::ios::app) << line << std::endl;
    return revision_;
  }

  std::string joined_;
  std::string log_;
  std::uint64_t revision_ = 0;
  bool may_go_back_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: stand_in_agent JOINED_FILE SOCKET LOG\n");
    return 1;
  }
  StandIn agent(argv[1], argv[3]);
  auto loop = common::Loop::create();
  auto socket = common::ControlSocket::listen(argv[2], "");
  if (!loop || !socket) {
    std::fprintf(stderr, "stand_in_agent: %s\n", (loop ? socket.error() : loop.error()).text().c_str());
    return 2;
  }
  auto signals = common::Signals::receive(**loop, {SIGTERM, SIGINT}, [&](int) { (*loop)->stop(); });
  auto server = common::StreamServer::serve(
      **loop, socket->take(), [&](std::string_view input, const common::Client&) -> std::optional<common::Answer> {
        const std::size_t end = input.find('\n');
        if (end == std::string_view::npos) {
          return std::nullopt;
        }
        return common::Answer{common::json_line(agent.answer(input.substr(0, end))), end + 1, false};
      });
  return signals && server && (*loop)->run() ? 0 : 2;
}
