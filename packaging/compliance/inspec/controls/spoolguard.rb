# SPDX-License-Identifier: Apache-2.0

profile = input('profile')

control 'spoolguard-controls' do
  impact 1.0
  title 'Every technical control of the profile is met by this device'
  tag 'spool'
  describe json({ command: "spoolguard check --profile #{profile} --json" }) do
    its('technical_controls_met') { should cmp true }
  end
  describe command("spoolguard check --profile #{profile}") do
    its('exit_status') { should eq 0 }
  end
end

control 'spoolguard-state' do
  impact 0.7
  title 'The service is ready, and nothing is owed for long'
  describe json({ command: 'spoolguard status --json' }) do
    its('state') { should eq 'READY' }
  end
end
