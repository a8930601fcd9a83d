// Package failures runs the tests of package e2e that stop and kill: the five failure scenarios, Ctrl-C and SIGKILL.
package failures_test

import (
	"testing"

	"github.com/tidemill/tidemill/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m) }

func TestIngestionKilledUnderLoad(t *testing.T) { e2e.IngestionKilledUnderLoad(t) }
func TestTheProducerStops(t *testing.T)         { e2e.TheProducerStops(t) }
func TestLoadDiesHalfway(t *testing.T)          { e2e.LoadDiesHalfway(t) }
func TestDBTModelFails(t *testing.T)            { e2e.DBTModelFails(t) }
func TestDuplicatesChangeNothing(t *testing.T)  { e2e.DuplicatesChangeNothing(t) }
func TestStoppedAndGoesOn(t *testing.T)         { e2e.StoppedAndGoesOn(t) }
