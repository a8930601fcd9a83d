package engine

import "github.com/coder/quartz"

// A Clock is where all time comes from: quartz.NewReal in production, a mock in tests.
type Clock = quartz.Clock
