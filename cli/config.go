package cli

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// A Config is what the environment and the flags of the same names say; a flag wins. Where a database or brokers are not named, they
// are the embedded ones of the home folder.
type Config struct {
	Home          string
	DatabaseURL   string
	WarehouseURL  string
	Brokers       string
	Topic         string
	Group         string
	TLSCA         string
	TLSCert       string
	TLSKey        string
	SASLMechanism string
	SASLUsername  string
	SASLPassword  string
	SchemaFraming string
	Lake          string
	BronzeMonths  string
	Listen        string
	WebhookURL    string
	WebhookSecret string
	LogLevel      string
	LogFormat     string
}

// A setting is one variable of the environment and the flag of the same name.
type setting struct {
	env     string
	target  func(*Config) *string
	initial string
	usage   string
}

// hidePipeline leaves out of the help what only the payments pipeline reads. A flag given all the same changes nothing.
func hidePipeline(flags *pflag.FlagSet) {
	for _, s := range variables {
		if name := flagName(s.env); strings.HasPrefix(name, "kafka-") || name == "warehouse-url" || name == "lake" || name == "bronze-months" {
			flags.Lookup(name).Hidden = true
		}
	}
}

var variables = []setting{
	{"TIDEMILL_HOME", func(c *Config) *string { return &c.Home }, "", "folder of what is embedded: data, and the pipeline's dbt (default: $XDG_DATA_HOME/tidemill or ~/.local/share/tidemill)"},
	{"TIDEMILL_DATABASE_URL", func(c *Config) *string { return &c.DatabaseURL }, "", "PostgreSQL of the run history (default: an embedded one in the home folder)"},
	{"TIDEMILL_WAREHOUSE_URL", func(c *Config) *string { return &c.WarehouseURL }, "", "PostgreSQL of the warehouse (default: as the database)"},
	{"TIDEMILL_KAFKA_BROKERS", func(c *Config) *string { return &c.Brokers }, "", "host:port,… (default: an embedded broker in the home folder)"},
	{"TIDEMILL_KAFKA_TOPIC", func(c *Config) *string { return &c.Topic }, "transactions", "topic of the payments"},
	{"TIDEMILL_KAFKA_GROUP", func(c *Config) *string { return &c.Group }, "tidemill-bronze", "consumer group of the stream"},
	{"TIDEMILL_KAFKA_TLS_CA", func(c *Config) *string { return &c.TLSCA }, "", "file with the brokers' CA: switches TLS on"},
	{"TIDEMILL_KAFKA_TLS_CERT", func(c *Config) *string { return &c.TLSCert }, "", "file with our certificate"},
	{"TIDEMILL_KAFKA_TLS_KEY", func(c *Config) *string { return &c.TLSKey }, "", "file with our key"},
	{"TIDEMILL_KAFKA_SASL_MECHANISM", func(c *Config) *string { return &c.SASLMechanism }, "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
	{"TIDEMILL_KAFKA_SASL_USERNAME", func(c *Config) *string { return &c.SASLUsername }, "", "user at the brokers"},
	{"TIDEMILL_KAFKA_SASL_PASSWORD", func(c *Config) *string { return &c.SASLPassword }, "", "password at the brokers (better in the environment)"},
	{"TIDEMILL_KAFKA_SCHEMA_FRAMING", func(c *Config) *string { return &c.SchemaFraming }, "refuse", "what becomes of records with a schema registry's framing: refuse (dead letters) or strip"},
	{"TIDEMILL_LAKE", func(c *Config) *string { return &c.Lake }, "", "folder of the lake (default: lake in the home folder)"},
	{"TIDEMILL_BRONZE_MONTHS", func(c *Config) *string { return &c.BronzeMonths }, "", "how many whole months of bronze.transactions the DAG bronze_retention keeps (default: all, and no such DAG)"},
	{"TIDEMILL_LISTEN", func(c *Config) *string { return &c.Listen }, "127.0.0.1:8080", "address of the UI and the API, loopback only"},
	{"TIDEMILL_WEBHOOK_URL", func(c *Config) *string { return &c.WebhookURL }, "", "receiver of alert webhooks"},
	{"TIDEMILL_WEBHOOK_SECRET", func(c *Config) *string { return &c.WebhookSecret }, "", "secret that webhooks are signed with, whsec_<base64> (better in the environment)"},
	{"TIDEMILL_LOG_LEVEL", func(c *Config) *string { return &c.LogLevel }, "info", "debug, info, warn or error"},
	{"TIDEMILL_LOG_FORMAT", func(c *Config) *string { return &c.LogFormat }, "", "text or json (default: text on a terminal, json otherwise)"},
}

// flagName is the flag that goes with a variable: TIDEMILL_DATABASE_URL is --database-url.
func flagName(env string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(env, "TIDEMILL_")), "_", "-")
}

// bind makes a flag of each setting, with the environment's value as its default. Secrets are not shown as defaults.
func (c *Config) bind(flags *pflag.FlagSet, getenv func(string) string) {
	for _, s := range variables {
		value := s.initial
		if v := getenv(s.env); v != "" {
			value = v
		}
		target := s.target(c)
		flags.StringVar(target, flagName(s.env), value, s.usage+" ["+s.env+"]")
		flags.Lookup(flagName(s.env)).DefValue = s.initial
	}
}

// UsageError is bad usage or configuration: exit code 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap yields what is wrong.
func (e *UsageError) Unwrap() error { return e.Err }

func usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// complete fills in what follows from the rest and checks what can be checked without connecting.
func (c *Config) complete() error {
	if c.Home == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return usage("no home folder is known (%v): set TIDEMILL_HOME to the folder for Tidemill's data", err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		c.Home = filepath.Join(base, "tidemill")
	}
	var err error
	if c.Home, err = filepath.Abs(c.Home); err != nil {
		return usage("TIDEMILL_HOME: %w", err)
	}
	if c.Lake == "" {
		c.Lake = filepath.Join(c.Home, "lake")
	}
	if strings.HasPrefix(c.Lake, "s3://") {
		return usage("TIDEMILL_LAKE %s: a lake on S3 is not supported yet; name a folder", c.Lake)
	}
	if c.SchemaFraming != "refuse" && c.SchemaFraming != "strip" {
		return usage("TIDEMILL_KAFKA_SCHEMA_FRAMING %q: give refuse or strip", c.SchemaFraming)
	}
	if n, err := strconv.Atoi(c.BronzeMonths); c.BronzeMonths != "" && (err != nil || n < 1) {
		return usage("TIDEMILL_BRONZE_MONTHS %q: give a number of months, 1 or more, or leave it out to keep all", c.BronzeMonths)
	}
	for _, u := range []struct{ name, value string }{{"TIDEMILL_DATABASE_URL", c.DatabaseURL}, {"TIDEMILL_WAREHOUSE_URL", c.WarehouseURL}} {
		if err := checkURL(u.name, u.value); err != nil {
			return err
		}
	}
	return c.checkLog()
}

// bronzeMonths is how many months of bronze are kept; 0: all.
func (c *Config) bronzeMonths() int {
	n, _ := strconv.Atoi(c.BronzeMonths) // complete has checked it
	return n
}

func (c *Config) checkLog() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return usage("TIDEMILL_LOG_LEVEL %q: give debug, info, warn or error", c.LogLevel)
	}
	switch c.LogFormat {
	case "", "text", "json":
		return nil
	}
	return usage("TIDEMILL_LOG_FORMAT %q: give text or json", c.LogFormat)
}

func checkURL(name, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil { // which is not told: it quotes the URL, or the part of its password that was taken for a port
		return usage("%s is no URL: give postgres://user:password@host:port/database, with what is not a letter or digit in user and password percent-encoded (/ is %%2F)", name)
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return usage("%s: give a postgres:// URL", name)
	}
	return nil
}

// redact is a URL without its password, for logs and messages.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
