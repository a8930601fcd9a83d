package warehouse

import "log/slog"

// LevelCritical is the level of a line that stands in for a row of metadata.load_audit that could not be written.
const LevelCritical = slog.Level(12)

// LevelName spells LevelCritical "CRITICAL"; without it slog says "ERROR+4". It is a ReplaceAttr of slog.HandlerOptions.
func LevelName(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey {
		if level, ok := a.Value.Any().(slog.Level); ok && level == LevelCritical {
			a.Value = slog.StringValue("CRITICAL")
		}
	}
	return a
}
