package settings

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// A Provider finds settings by name. found is false, without an error, when it has none of the name; an error says that it could not look.
// It is called from several goroutines at once. A provider that has a method Place(name string) string is quoted in messages with what that
// says of where to put a setting, such as "the environment variable SALES_TOKEN".
type Provider interface {
	Lookup(ctx context.Context, name string) (value string, found bool, err error)
}

// Func makes a provider of a function. place says where settings are, such as "the vault at https://vault".
func Func(place string, lookup func(ctx context.Context, name string) (value string, found bool, err error)) Provider {
	return funcProvider{place, lookup}
}

type funcProvider struct {
	place  string
	lookup func(ctx context.Context, name string) (string, bool, error)
}

func (p funcProvider) Lookup(ctx context.Context, name string) (string, bool, error) {
	return p.lookup(ctx, name)
}

func (p funcProvider) Place(name string) string { return name + " in " + p.place }

// Env finds settings in the environment, each in the variable of its name after the prefix: with "SALES_", TOKEN is SALES_TOKEN.
func Env(prefix string) Provider { return env{prefix} }

type env struct{ prefix string }

func (e env) Lookup(_ context.Context, name string) (string, bool, error) {
	value, found := os.LookupEnv(e.prefix + name)
	return value, found, nil
}

func (e env) Place(name string) string { return "the environment variable " + e.prefix + name }

// Chain asks one provider after the other: the first that has a setting, and not an empty one, gives it. A provider that errs ends it.
func Chain(providers ...Provider) Provider { return chain(providers) }

type chain []Provider

func (c chain) Lookup(ctx context.Context, name string) (string, bool, error) {
	for _, p := range c {
		value, found, err := p.Lookup(ctx, name)
		if err != nil {
			return "", false, err
		}
		if found && value != "" {
			return value, true, nil
		}
	}
	return "", false, nil
}

func (c chain) Place(name string) string {
	places := make([]string, len(c))
	for i, p := range c {
		places[i] = placeOf(p, name)
	}
	return strings.Join(places, ", or ")
}

// placeOf says where a provider looks for a setting.
func placeOf(p Provider, name string) string {
	if d, ok := p.(interface{ Place(name string) string }); ok {
		return d.Place(name)
	}
	return fmt.Sprintf("%s in %T", name, p)
}
