#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <charconv>
#include <chrono>
#include <string>
#include <utility>

#include "krait/records/database.h"

namespace krait::records {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct PostgresqlCloser {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, PostgresqlCloser>;

constexpr int kMaxAttempts = 100;  // of a transaction that others are in the way of

// Types' numbers that will never be others (pg_type.dat).
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;

// For one answer; the longest, a whole network of 10,000 hosts, takes a second.
constexpr std::chrono::seconds kPatience{10};

constexpr const char* kChannel = "krait_revision";

// What holds where the administrator's words (dbname, which libpq takes apart) say nothing else: a server that has gone
// without a word is found gone in seconds, and not when TCP gives up.
constexpr std::array<const char*, 8> kKeywords{
    "fallback_application_name", "connect_timeout",  "tcp_user_timeout", "keepalives_idle",
    "keepalives_interval",       "keepalives_count", "dbname",           nullptr};

class Postgresql final : public Database {
 public:
  explicit Postgresql(std::string where) : where_(std::move(where)) {}

  Result<void> connect() {
    const auto begun = std::chrono::steady_clock::now();
    connection_.reset(PQconnectdbParams(kKeywords.data(), values_of(where_).data(), 1));
    useless_.clear();
    if (!connection_ || PQstatus(connection_.get()) != CONNECTION_OK) {
      const auto now = std::chrono::steady_clock::now();
      rest_until_ = now + (now - begun);
      return lost();
    }
    ++connections_;
    PQsetnonblocking(connection_.get(), 1);
    // A failover must not leave us writing to a server that confirms before its disk does.
    KRAIT_CHECK(simple("SET synchronous_commit=on"));
    KRAIT_CHECK(simple("SET client_min_messages=warning"));
    hears_ = simple(fmt::format("LISTEN {}", kChannel)).has_value();
    return {};
  }

  Result<void> run(const std::string& sql, const std::vector<Value>& parameters,
                   const std::function<void(Row&)>& visit) override {
    if (!useless_.empty() || PQstatus(connection_.get()) != CONNECTION_OK) {
      if (inside_ || std::chrono::steady_clock::now() < rest_until_) {
        return lost();
      }
      KRAIT_CHECK(connect());
    }
    KRAIT_TRY(const auto answer, ask(sql, parameters));
    for (int row = 0; row < PQntuples(answer.get()); ++row) {
      Row values = row_of(answer.get(), row);
      visit(values);
    }
    return {};
  }

  Result<void> transact(const std::function<Result<void>()>& work) override {
    is_in_doubt_ = false;
    for (int attempt = 1;; ++attempt) {
      KRAIT_CHECK(Database::run("BEGIN ISOLATION LEVEL SERIALIZABLE"));
      inside_ = true;
      conflict_ = false;
      auto done = work();
      if (done) {
        done = Database::run("COMMIT");
        is_in_doubt_ = !done && !is_usable();
      }
      inside_ = false;
      if (done) {
        return done;
      }
      if (is_usable() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
        std::ignore = Database::run("ROLLBACK");
      }
      if (!conflict_ || attempt == kMaxAttempts) {
        return done;
      }
    }
  }

  [[nodiscard]] bool is_in_doubt() const override { return is_in_doubt_; }

  [[nodiscard]] std::uint64_t connection() const override { return connections_; }

  [[nodiscard]] int notice_fd() const override { return hears_ ? PQsocket(connection_.get()) : -1; }

  Result<bool> take_notices() override {
    if (PQconsumeInput(connection_.get()) != 1) {
      return lost();
    }
    bool some = false;
    while (PGnotify* notice = PQnotifies(connection_.get())) {
      some = true;
      PQfreemem(notice);
    }
    return some;
  }

  Result<void> notify() override { return hears_ ? Database::run(fmt::format("NOTIFY {}", kChannel)) : Result<void>(); }

  Result<void> copy_to(const std::string& /*path*/) override {
    return Error(ErrorCode::unsupported, "a network in PostgreSQL is backed up with PostgreSQL's own tools: pg_dump");
  }

  [[nodiscard]] std::string_view bytes_type() const override { return "BYTEA"; }
  [[nodiscard]] bool is_shared() const override { return true; }

 private:
  [[nodiscard]] Error lost() const {
    std::string why = !useless_.empty() ? useless_ : connection_ ? PQerrorMessage(connection_.get()) : "no memory";
    while (!why.empty() && why.back() == '\n') {
      why.pop_back();
    }
    return {ErrorCode::unavailable, "PostgreSQL: " + why};
  }

  [[nodiscard]] bool is_usable() const {
    return useless_.empty() && connection_ && PQstatus(connection_.get()) == CONNECTION_OK;
  }

  // The last of all that the server says to what was sent. It is not waited for without an end, since hosts wait
  // meanwhile.
  Answer await_answer() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    Answer last;
    for (;;) {
      while (PQisBusy(connection_.get()) == 1) {
        const bool sends = PQflush(connection_.get()) == 1;
        pollfd waiting{PQsocket(connection_.get()), static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0 || (::poll(&waiting, 1, static_cast<int>(left.count())) == 0)) {
          useless_ = fmt::format("it has not answered for {} s", kPatience.count());
          return nullptr;
        }
        if (PQconsumeInput(connection_.get()) != 1) {
          break;
        }
      }
      Answer next(PQgetResult(connection_.get()));
      if (next == nullptr) {
        return last;
      }
      last = std::move(next);
    }
  }

  Result<void> simple(const std::string& sql) {
    const Answer answer = PQsendQuery(connection_.get(), sql.c_str()) == 1 ? await_answer() : nullptr;
    return PQresultStatus(answer.get()) == PGRES_COMMAND_OK ? Result<void>() : failure(answer.get());
  }

  // Everything is text but bytes, which go as they are; what comes back is binary.
  Result<Answer> ask(const std::string& sql, const std::vector<Value>& parameters) {
    std::vector<std::string> numbers(parameters.size());
    std::vector<const char*> values;
    std::vector<int> sizes;
    std::vector<int> formats;
    std::vector<Oid> types;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Value& value = parameters[i];
      const bool number = value.kind == Value::Kind::number;
      numbers[i] = number ? std::to_string(value.number) : "";
      values.push_back(value.kind == Value::Kind::null ? nullptr : number ? numbers[i].c_str() : value.bytes.data());
      sizes.push_back(static_cast<int>(value.bytes.size()));
      formats.push_back(number ? 0 : 1);
      types.push_back(number ? kInt8 : kBytea);
    }
    const int sent = PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(parameters.size()),
                                       types.data(), values.data(), sizes.data(), formats.data(), 1);
    Answer answer = sent == 1 ? await_answer() : nullptr;
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      return failure(answer.get());
    }
    return answer;
  }

  Error failure(const PGresult* answer) {
    if (!is_usable()) {
      return lost();
    }
    const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    const std::string_view code = state == nullptr ? "" : state;
    // Appendix A of PostgreSQL's manual: serialization_failure, deadlock_detected, disk_full, class 57.
    conflict_ = conflict_ || code == "40001" || code == "40P01";
    // read_only_sql_transaction: a primary no longer; the next call looks for the one that is.
    if (code == "25006") {
      useless_ = "the server takes no changes: it is a standby now";
    }
    const char* text = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
    const ErrorCode kind = code == "53100"                              ? ErrorCode::limit
                           : code.starts_with("57P") || code == "25006" ? ErrorCode::unavailable
                                                                        : ErrorCode::system;
    return {kind, fmt::format("PostgreSQL: {} ({})", text == nullptr ? "no answer" : text, code)};
  }

  static Row row_of(const PGresult* answer, int row) {
    Row values;
    for (int column = 0; column < PQnfields(answer); ++column) {
      const std::string_view bytes(PQgetvalue(answer, row, column),
                                   static_cast<std::size_t>(PQgetlength(answer, row, column)));
      if (PQgetisnull(answer, row, column) != 0) {
        values.emplace_back();
      } else if (PQftype(answer, column) == kBytea) {
        values.push_back(Value::of(bytes));
      } else {
        std::uint64_t number = 0;  // int4 and int8 in network order
        for (const char byte : bytes) {
          number = number << 8U | static_cast<unsigned char>(byte);
        }
        values.push_back(Value::of(number));
      }
    }
    return values;
  }

  static std::array<const char*, 8> values_of(const std::string& where) {
    return {"krait-coordinator", "3", "10000", "10", "5", "3", where.c_str(), nullptr};
  }

  std::string where_;
  std::uint64_t connections_ = 0;
  std::chrono::steady_clock::time_point rest_until_{};  // as long as the last attempt took that failed: others wait too
  std::string useless_;  // why another connection is to be made before the next call; empty: this one may do
  bool is_in_doubt_ = false;
  std::unique_ptr<PGconn, PostgresqlCloser> connection_;
  bool hears_ = false;
  bool inside_ = false;  // a transaction
  bool conflict_ = false;
};

}  // namespace

Result<std::unique_ptr<Database>> open_postgresql(const std::string& where) {
  auto database = std::make_unique<Postgresql>(where);
  KRAIT_CHECK(database->connect());
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace krait::records
