package enginetest_test

import (
	"testing"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Conformance(t, func(*testing.T) engine.Store { return enginetest.NewStore(quartz.NewReal()) })
}

func TestConformanceOfRepeatedTransactions(t *testing.T) {
	enginetest.Conformance(t, func(*testing.T) engine.Store {
		s := enginetest.NewStore(quartz.NewReal())
		s.Repeat = true
		return s
	})
}
