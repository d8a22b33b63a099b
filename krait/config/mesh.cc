// krait.toml
#include <fmt/format.h>

#include <array>
#include <map>
#include <string>

#include "krait/config/limits.h"
#include "krait/config/load.h"
#include "krait/config/names.h"
#include "krait/config/table.h"

namespace krait::config {

namespace {

constexpr std::string_view kDefaultInterface = "wg0";
constexpr std::string_view kDefaultPolicy = "/etc/krait/policy.toml";
constexpr std::int64_t kMaxListenPort = 65535;
constexpr std::int64_t kMaxKeepaliveS = 65535;  // 16 bits in linux/wireguard.h

constexpr std::string_view kRoutesExample = R"(routes = [{ prefix = "10.20.0.0/16", identity = "office" }])";

constexpr std::string_view kKeyFileExample = R"(private_key_file = "/var/lib/krait/host.key")";

constexpr auto kFileKeys = std::to_array<Key>({
    {"host", Shape::table, true, "[host]"},
    {"peer", Shape::tables, false, "[[peer]]"},
    {"limits", Shape::table, false, "[limits]"},
});
constexpr auto kHostKeys = std::to_array<Key>({
    {"name", Shape::text, true, R"(name = "web1")"},
    {"identity", Shape::text, true, R"(identity = "web")"},
    {"addresses", Shape::texts, true, R"(addresses = ["10.90.0.1"])"},
    {"private_key_file", Shape::text, false, kKeyFileExample},
    {"private_key_credential", Shape::text, false, R"(private_key_credential = "host.key")"},
    {"listen_port", Shape::integer, false, "listen_port = 51820"},
    {"interface", Shape::text, false, R"(interface = "wg0")"},
    {"policy", Shape::text, false, R"(policy = "/etc/krait/policy.toml")"},
    {"routes", Shape::tables, false, kRoutesExample},
});
constexpr auto kPeerKeys = std::to_array<Key>({
    {"name", Shape::text, true, R"(name = "db1")"},
    {"identity", Shape::text, true, R"(identity = "db")"},
    {"public_key", Shape::text, true, R"(public_key = "...")"},
    {"next_public_key", Shape::text, false, R"(next_public_key = "...")"},
    {"endpoint", Shape::text, false, R"(endpoint = "192.0.2.2:51820")"},
    {"keepalive_s", Shape::integer, false, "keepalive_s = 25"},
    {"preshared_key_file", Shape::text, false, R"(preshared_key_file = "/var/lib/krait/db1.psk")"},
    {"addresses", Shape::texts, true, R"(addresses = ["10.90.0.2"])"},
    {"routes", Shape::tables, false, kRoutesExample},
});
constexpr auto kRouteKeys = std::to_array<Key>({
    {"prefix", Shape::text, true, R"(prefix = "10.20.0.0/16")"},
    {"identity", Shape::text, true, R"(identity = "office")"},
});

// A relative path means: from the file that names it.
std::string beside(const std::string& file, std::string_view path) {
  const auto slash = file.rfind('/');
  if (path.starts_with('/') || slash == std::string::npos) {
    return std::string(path);
  }
  return file.substr(0, slash + 1) + std::string(path);
}

class MeshReader {
 public:
  explicit MeshReader(const std::string& file) : findings_(file) { mesh_.file = file; }

  common::Result<model::Mesh> read(const Value& root) {
    const Table table(root, "the file", kFileKeys, findings_);
    if (const Value* host = table.find("host")) {
      read_host(*host);
    }
    for (const Value* peer : table.tables("peer")) {
      if (findings_.settled(peer->at)) {
        break;
      }
      read_peer(*peer);
    }
    if (const Value* limits = table.find("limits")) {
      mesh_.limits = read_limits(*limits, findings_);
    }
    check_endpoints();
    if (!findings_.empty()) {
      return std::move(findings_).take();
    }
    return std::move(mesh_);
  }

 private:
  void read_host(const Value& value) {
    const Table table(value, "[host]", kHostKeys, findings_);
    model::Host& host = mesh_.host;
    host.name = read_name(table);
    host.identity = read_identity(table);
    host.addresses = read_addresses(table);
    host.routes = read_routes(table);
    read_private_key(table);
    host.policy_file = read_path(table, "policy", kDefaultPolicy);
    if (const Value* port = table.find("listen_port")) {
      if (port->integer() < 1 || port->integer() > kMaxListenPort) {
        findings_.add(port->at, fmt::format("bad listen_port {}", port->integer()), "write a port from 1 to 65535");
      } else {
        host.listen_port = static_cast<std::uint16_t>(port->integer());
      }
    }
    host.interface = table.has("interface") ? table.text("interface").text : kDefaultInterface;
    if (auto fault = check_interface(host.interface)) {
      findings_.add(table.text("interface").at, std::move(*fault));
    }
  }

  void read_private_key(const Table& table) {
    model::Host& host = mesh_.host;
    host.private_key_file = read_path(table, "private_key_file", {});
    const Text credential = table.text("private_key_credential");
    host.private_key_credential = credential.text;
    const bool named = table.has("private_key_credential");
    if (named && table.has("private_key_file")) {
      findings_.add(credential.at, "the private key stands in a file and is a credential",
                    "keep private_key_file or private_key_credential");
    } else if (named) {
      if (auto fault = check_name(credential.text)) {
        findings_.add(credential.at, std::move(*fault));
      }
    } else if (!table.has("private_key_file")) {
      findings_.add(table.at(), "[host] lacks its private key", fmt::format("add {}", kKeyFileExample));
    }
  }

  void read_peer(const Value& value) {
    const Table table(value, "[[peer]]", kPeerKeys, findings_);
    model::Peer peer;
    peer.at = value.at;
    peer.name = read_name(table);
    peer.identity = read_identity(table);
    peer.public_key = read_key(table, "public_key").value_or(model::PublicKey{});
    peer.next_public_key = read_key(table, "next_public_key");
    if (table.has("endpoint")) {
      read_endpoint_of(peer, table.text("endpoint"));
    }
    if (const Value* keepalive = table.find("keepalive_s")) {
      peer.keepalive_s = read_keepalive(*keepalive);
    }
    peer.preshared_key_file = read_path(table, "preshared_key_file", {});
    peer.addresses = read_addresses(table);
    peer.routes = read_routes(table);
    mesh_.peers.push_back(std::move(peer));
  }

  std::uint16_t read_keepalive(const Value& seconds) {
    if (seconds.integer() < 1 || seconds.integer() > kMaxKeepaliveS) {
      findings_.add(seconds.at, fmt::format("bad keepalive_s {}", seconds.integer()),
                    "write a number of seconds from 1 to 65535; 25 keeps most NATs open");
      return 0;
    }
    return static_cast<std::uint16_t>(seconds.integer());
  }

  void read_endpoint_of(model::Peer& peer, const Text& text) {
    auto endpoint = read_endpoint(text.text);
    if (!endpoint) {
      findings_.add(text.at, std::move(endpoint.error()));
    } else if (const auto* address = std::get_if<common::Endpoint>(&*endpoint)) {
      peer.endpoint = *address;
    } else {
      peer.named_endpoint = std::get<model::NamedEndpoint>(std::move(*endpoint));
    }
  }

  std::string read_name(const Table& table) {
    const Text name = table.text("name");
    if (!table.has("name")) {
      return {};
    }
    if (auto fault = check_name(name.text)) {
      findings_.add(name.at, std::move(*fault));
    }
    const auto [first, fresh] = line_of_name_.try_emplace(name.text, name.at.line);
    if (!fresh) {
      findings_.add(name.at, fmt::format("duplicate name {}, first in line {}", in_quotes(name.text), first->second),
                    "give each host a name of its own");
    }
    return std::string(name.text);
  }

  model::IdentityName read_identity(const Table& table) {
    const Text name = table.text("identity");
    if (table.has("identity")) {
      if (auto fault = check_name(name.text)) {
        findings_.add(name.at, std::move(*fault));
      }
    }
    return {std::string(name.text), name.at};
  }

  std::string read_path(const Table& table, std::string_view key, std::string_view otherwise) {
    const Text path = table.text(key);
    if (!table.has(key)) {
      return std::string(otherwise);
    }
    if (auto fault = check_path(path.text)) {
      findings_.add(path.at, std::move(*fault));
    }
    return beside(mesh_.file, path.text);
  }

  std::optional<model::PublicKey> read_key(const Table& table, std::string_view name) {
    const Text text = table.text(name);
    if (!table.has(name)) {
      return std::nullopt;
    }
    auto key = read_public_key(text.text);
    if (!key) {
      findings_.add(text.at, std::move(key.error()));
      return std::nullopt;
    }
    const auto [first, fresh] = line_of_key_.try_emplace(*key, text.at.line);
    if (!fresh) {
      findings_.add(text.at, fmt::format("duplicate public key, first in line {}", first->second),
                    "each peer has a key of its own; put all its addresses in one [[peer]]");
    }
    return *key;
  }

  std::vector<model::Address> read_addresses(const Table& table) {
    std::vector<model::Address> addresses;
    for (const Text& text : table.texts("addresses")) {
      if (findings_.settled(text.at)) {
        break;
      }
      auto ip = read_address(text.text);
      if (!ip) {
        findings_.add(text.at, std::move(ip.error()));
        continue;
      }
      claim(common::Prefix::host(*ip), text);
      addresses.push_back({*ip, text.at});
    }
    return addresses;
  }

  std::vector<model::Route> read_routes(const Table& parent) {
    std::vector<model::Route> routes;
    for (const Value* value : parent.tables("routes")) {
      if (findings_.settled(value->at)) {
        break;
      }
      const Table table(*value, "a route", kRouteKeys, findings_);
      const model::IdentityName identity = read_identity(table);
      const Text text = table.text("prefix");
      if (!table.has("prefix")) {
        continue;
      }
      auto prefix = read_prefix(text.text);
      if (!prefix) {
        findings_.add(text.at, std::move(prefix.error()));
        continue;
      }
      claim(*prefix, text);
      routes.push_back({*prefix, identity, text.at});
    }
    return routes;
  }

  // Every address and prefix belongs to one host only.
  void claim(const common::Prefix& prefix, const Text& text) {
    const auto [first, fresh] = line_of_prefix_.try_emplace(prefix, text.at.line);
    if (!fresh) {
      findings_.add(text.at,
                    fmt::format("{} stands here a second time, first in line {}", in_quotes(text.text), first->second),
                    "an address or prefix belongs to one host; remove one of the two");
    }
  }

  // What goes to a peer goes into the tunnel; were its endpoint among it, so would the tunnel's own packets.
  void check_endpoints() {
    std::map<common::Prefix, model::Position> through_tunnel;
    std::map<common::Family, std::map<std::uint8_t, bool>> lengths;
    const auto add = [&](const common::Prefix& prefix, model::Position at) {
      through_tunnel.try_emplace(prefix, at);
      lengths[prefix.ip.family][prefix.length] = true;
    };
    for (const model::Peer& peer : mesh_.peers) {
      for (const model::Address& address : peer.addresses) {
        add(common::Prefix::host(address.ip), address.at);
      }
      for (const model::Route& route : peer.routes) {
        add(route.prefix, route.at);
      }
    }
    for (const model::Peer& peer : mesh_.peers) {
      if (!peer.endpoint) {
        continue;
      }
      for (const auto& [length, used] : lengths[peer.endpoint->ip.family]) {
        const auto found = through_tunnel.find(common::Prefix{peer.endpoint->ip, length}.masked());
        if (found != through_tunnel.end()) {
          report_loop(found->first, found->second, peer);
        }
      }
    }
  }

  void report_loop(const common::Prefix& prefix, model::Position at, const model::Peer& peer) {
    findings_.add(at,
                  fmt::format("{} contains the endpoint {} of peer {}: the tunnel would run into itself", prefix.text(),
                              peer.endpoint->text(), in_quotes(peer.name)),
                  "write addresses and prefixes that hold no endpoint");
  }

  Findings findings_;
  model::Mesh mesh_;
  std::map<std::string_view, std::uint32_t> line_of_name_;  // keys live in the document
  std::map<model::PublicKey, std::uint32_t> line_of_key_;
  std::map<common::Prefix, std::uint32_t> line_of_prefix_;
};

}  // namespace

common::Result<model::Mesh> parse_mesh(std::string_view text, const std::string& file) {
  common::Result<Value> root = parse_document(text, file, {kMeshMemoryBytes, "split the mesh or use prefixes"});
  if (!root) {
    return std::move(root.error());
  }
  return MeshReader(file).read(*root);
}

}  // namespace krait::config
