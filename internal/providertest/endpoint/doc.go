// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package endpoint puts the fake behind endpoints that tests can disturb, and checks
// what reached it. It answers: what did the provider ask of AWS, and what became of the
// sessions?
//
// After a step of a test, or a run of Terraform:
//
//	endpoint.WantCalls(t, fake, "TerminateSession us-east-1 "+sessionID)
//	endpoint.WantStatus(t, fake, sessionID, "Terminated")
//
// In a synctest bubble, where waiting takes no time, Bubble records calls and refuses
// connections:
//
//	ep := endpoint.NewBubble(t, fake)
//	ep.RefuseConnections(1, 2)
//	// Configure the provider with ep.Client() and endpoint.BubbleURL, and use it.
//	if got := ep.Calls(); got != "active refused×2 active terminate" {
//		t.Error(got)
//	}
//
// For a provider in a process of its own, Slow holds answers back:
//
//	slow := (&endpoint.Slow{Operation: "TerminateSession", Delay: -1}).Start(t, fake)
//	// Start Terraform with slow.URL, wait for slow.Reached, interrupt it.
//	slow.WantQuiet(t)
package endpoint
