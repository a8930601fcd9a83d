package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidemill/tidemill/engine/secret"
	"github.com/tidemill/tidemill/engine/settings"
)

// Settings gives the commands the source of the program's settings: serve and worker check at their start that all that was declared of it
// with settings.Of can be loaded, doctor says what cannot, and no command shows or stores a secret that it has loaded. Give it once.
func Settings(s *settings.Source) Option {
	return func(p *program) { p.settings = append(p.settings, s) }
}

// secrets are those that the program must not show.
func (p *program) secrets() *secret.Redactor {
	if len(p.settings) > 0 {
		return p.settings[0].Secrets()
	}
	return &p.own
}

// keepOwn makes the secrets of Tidemill's own configuration known, but for one that is too short to be found.
func (p *program) keepOwn(c *Config) {
	for name, text := range map[string]string{"TIDEMILL_WEBHOOK_SECRET": c.WebhookSecret, "TIDEMILL_KAFKA_SASL_PASSWORD": c.SASLPassword} {
		_, _ = p.secrets().Keep(name, text)
	}
}

// checkSettings loads all settings that the program has declared.
func (p *program) checkSettings(ctx context.Context) error {
	if len(p.settings) == 0 {
		return nil
	}
	if err := p.settings[0].Check(ctx); err != nil {
		return &UsageError{err}
	}
	return nil
}

// learnSettings is checkSettings for commands that need none of them: what can be loaded soon is known, so that it is refused in a note, say.
func (p *program) learnSettings(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = p.checkSettings(ctx)
}

// logger is the process's log, without secrets.
func (c *command) logger() *slog.Logger {
	return slog.New(c.program.secrets().Handler(c.config.newLogger(c.err).Handler()))
}

func (c *command) checkSettings(ctx context.Context) []finding {
	if len(c.program.settings) == 0 {
		return nil
	}
	if err := c.program.checkSettings(ctx); err != nil {
		return []finding{wrong("settings", err, "set what is missing, for serve and worker too")}
	}
	return []finding{ok("settings", "all that the program declares can be loaded")}
}
