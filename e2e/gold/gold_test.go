// Package gold runs the tests of package e2e from files of events to Gold.
package gold_test

import (
	"testing"

	"github.com/tidemill/tidemill/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m) }

func TestDemoOfTheSample(t *testing.T)             { e2e.DemoOfTheSample(t) }
func TestDemoOfAHostileTopic(t *testing.T)         { e2e.DemoOfAHostileTopic(t) }
func TestDemoOfAHostileTopicInOneRun(t *testing.T) { e2e.DemoOfAHostileTopicInOneRun(t) }
func TestEdges(t *testing.T)                       { e2e.Edges(t) }
func TestFilesThatCannotBeUsed(t *testing.T)       { e2e.FilesThatCannotBeUsed(t) }
