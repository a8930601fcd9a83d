package settings

import (
	"context"
	"errors"
	"sync"

	"github.com/tidemill/tidemill/engine/secret"
)

// A Secret is a setting that nobody may see: see [secret.Value].
type Secret = secret.Value

// A Source is where a program's settings come from. It knows the secrets that it has loaded.
type Source struct {
	provider Provider
	secrets  secret.Redactor

	mu       sync.Mutex
	declared []func(context.Context) error
}

// New makes a source of providers, which are asked in this order: see [Chain].
func New(providers ...Provider) *Source { return &Source{provider: Chain(providers...)} }

// Secrets are the secrets that the source has loaded, for what has to hide them: engine.Config.Secrets. It is never nil.
func (s *Source) Secrets() *secret.Redactor { return &s.secrets }

// Check loads everything that was declared with [Of] and returns all that is wrong with any of it, nil when nothing is.
func (s *Source) Check(ctx context.Context) error {
	s.mu.Lock()
	declared := s.declared
	s.mu.Unlock()
	var errs []error
	for _, load := range declared {
		errs = append(errs, load(ctx))
	}
	return errors.Join(errs...)
}

// A Setting is settings of the type T that a program uses. Make it with [Of].
type Setting[T any] struct{ source *Source }

// Of declares that the program uses settings of the type T from the source, see [Load]. Nothing is read before Load or [Source.Check].
func Of[T any](s *Source) Setting[T] {
	one := Setting[T]{s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declared = append(s.declared, func(ctx context.Context) error {
		_, err := one.Load(ctx)
		return err
	})
	return one
}

// Load loads the settings as they are now.
func (s Setting[T]) Load(ctx context.Context) (T, error) { return Load[T](ctx, s.source) }
