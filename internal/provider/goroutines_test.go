// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestGoroutines_cancelled runs every object many times at once and cancels each run at a
// random time. The run ends then, and no goroutine stays. A goroutine that stays fails
// the bubble.
func TestGoroutines_cancelled(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		arguments map[string]any
		options   []fakessm.Option
		fault     fakessm.Fault
	}{
		"a slow service":              {options: []fakessm.Option{fakessm.WithLatency(3 * time.Second)}},
		"a service that hangs":        {fault: fakessm.Fault{Kind: fakessm.FaultHang}},
		"a service that throttles":    {fault: fakessm.Fault{Kind: fakessm.FaultThrottle}},
		"answers that take an hour":   {fault: fakessm.Fault{Kind: fakessm.FaultSlow, Delay: time.Hour}},
		"a service that breaks":       {fault: fakessm.Fault{Kind: fakessm.FaultResetAfter}},
		"a pace of one call in 100 s": {arguments: map[string]any{"max_requests_per_second": 0.01}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const times = 12
				fake := fakessm.New(append(tc.options, fakessm.WithSessions(testSessions()...), fakessm.WithPageSize(200))...)
				s := newBubbleServer(t, endpoint.NewBubble(t, fake), mergeConfig(offlineArguments, tc.arguments))
				if tc.fault.Kind != "" {
					tc.fault.Times = -1
					fake.Inject(tc.fault)
				}

				cleaningUp := map[string]bool{}
				for _, object := range testObjects() {
					cleaningUp[object.name()] = object.cleansUp
				}
				var wg sync.WaitGroup
				for object, call := range callsOfEveryObject(t, s) {
					for i := range times {
						// Some are cancelled before they begin, most in between.
						patience := time.Duration(i) * time.Duration(rand.IntN(3000)) * time.Millisecond
						wg.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), patience)
							defer cancel()
							start := time.Now()
							if err := call(ctx); err != nil {
								t.Errorf("%s: %v", object, err)
							}
							late := time.Second
							if cleaningUp[object] {
								late += 2 * sessionmanager.EndTime
							}
							if took := time.Since(start); took > patience+late {
								t.Errorf("%s took %s, and was told to stop after %s", object, took, patience)
							}
						})
					}
				}
				wg.Wait()

				before := len(fake.Requests())
				// Requests that are under way have to arrive.
				time.Sleep(time.Second)
				settled := len(fake.Requests())
				if before == 0 && name != "a pace of one call in 100 s" {
					t.Error("nothing was called")
				}
				time.Sleep(time.Hour)
				if after := len(fake.Requests()); after != settled {
					t.Errorf("%d calls were made after all work had ended", after-settled)
				}
			})
		})
	}
}

var (
	// goroutineOurs matches the stack of a goroutine that works for a request.
	goroutineOurs = regexp.MustCompile(`terraform-provider-ssm/internal/(datachannel|httpclient|portforward|provider|sessionmanager)\b|aws-sdk-go|terraform-plugin-framework/internal/fwserver|tf6server\.\(\*server\)\.(Read|Plan|Apply|Open|Invoke|Configure|Import)`)
)

// TestGoroutines_stopProvider looks at the goroutines of a provider after Terraform has
// used every object, and stopped it in the middle of a drain.
func TestGoroutines_stopProvider(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	service := newSlowEndpoint(t, &endpoint.Slow{Operation: "TerminateSession", Delay: 2 * time.Second, SignalAt: 45}, testCrowded()...)
	service.Off.Store(true)
	w := workspace.New(t, testCrowdConfig(service.URL, "destroy")+fmt.Sprintf(`
data "ssm_connection_status" "test" {
  target = %[1]q
}
data "ssm_session" "test" {
  session_id = %[2]q
}
data "ssm_sessions" "test" {
  owners = ["*"]
}
data "ssm_session_resume" "test" {
  session_id = %[3]q
}
ephemeral "ssm_session_resume" "test" {
  session_id = %[3]q
}
ephemeral "ssm_port_forward" "test" {
  target      = %[4]q
  remote_port = 22
  probe       = false
}
ephemeral "ssm_session" "test" {
  target = %[4]q
}
resource "ssm_session_termination" "test" {
  session_id = %[2]q
}
`, testTarget, testEnded, testAway, testOwnTarget)).WithoutLog()
	provider := w.StartProvider()

	w.MustRun("apply", "-auto-approve")
	w.MustRun("plan")
	service.Off.Store(false)
	run := w.Start("destroy", "-auto-approve")
	run.Until(service.Reached)
	run.Interrupt()
	run.Fail()
	service.WantQuiet(t)

	dump := provider.Dump()
	goroutines := strings.Split(dump, "\n\n")
	if !slices.ContainsFunc(goroutines, func(g string) bool { return strings.Contains(g, "main.main()") }) {
		t.Fatalf("this is no dump of the goroutines:\n%s", dump)
	}
	for _, goroutine := range goroutines {
		if strings.HasPrefix(goroutine, "goroutine ") && !strings.Contains(goroutine, "main.main()") && goroutineOurs.MatchString(goroutine) {
			t.Errorf("this was left behind:\n%s", goroutine)
		}
	}
}
