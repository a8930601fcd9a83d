package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/tidemill/tidemill/storage/warehouse"
)

// newLogger writes the process's log to w, in the format that the configuration asks for: text on a terminal, JSON otherwise.
func (c *Config) newLogger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // checked by complete
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: warehouse.LevelName}
	if c.LogFormat == "json" || c.LogFormat == "" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
