package web_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser starts a Chromium for the test. Where there is none the test ends: the same is tried over HTTP by others, and with
// TIDEMILL_BROWSER=required, as in CI, it fails.
func browser(t *testing.T) (context.Context, bool) {
	t.Helper()
	found := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			found = path
			break
		}
	}
	if found == "" {
		if os.Getenv("TIDEMILL_BROWSER") == "required" {
			t.Fatal("there is no Chromium, and TIDEMILL_BROWSER=required: install chromium")
		}
		t.Log("there is no Chromium: what a browser shows is tried over HTTP only")
		return nil, false
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(found), chromedp.Flag("disable-dev-shm-usage", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox does not run as root
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, done := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(done)
	return ctx, true
}

// screen sets how large the browser's window is and whether it asks for dark.
func screen(width, height int64, dark bool) chromedp.Action {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return chromedp.Tasks{
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	}
}

// until waits for a JavaScript expression to become true, over any navigation that is on its way.
func until(expression string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		deadline := time.After(15 * time.Second)
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			var ok bool
			err := chromedp.Evaluate("!!("+expression+")", &ok).Do(ctx)
			if err == nil && ok {
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			case <-deadline:
				return errors.Join(errors.New("not in time: "+expression), err)
			}
		}
	})
}
