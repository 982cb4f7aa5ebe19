# SPDX-License-Identifier: Apache-2.0
#
# What "spoolguard check" answers, as Serverspec examples, one for each control:
#   rspec spoolguard_spec.rb
# SPOOLGUARD: the command, if it is not in the path; SPOOLGUARD_PROFILE: which controls (ward).
require 'json'
require 'open3'
require 'serverspec'

set :backend, :exec

program = ENV.fetch('SPOOLGUARD', 'spoolguard')
profile = ENV.fetch('SPOOLGUARD_PROFILE', 'ward')
answer, = Open3.capture2(program, 'check', '--profile', profile, '--json')

describe command("#{program} check --profile #{profile} --json") do
  its(:stdout) { should match(/"schema":\s*"spoolguard\.check/) }
end

JSON.parse(answer)['controls'].each do |control|
  describe "#{control['id']}: #{control['title']}" do
    it "is met (#{control['evidence']})" do
      expect(control['state']).to eq('met'), "#{control['state']}: #{control['remedy'] || control['evidence']}"
    end
  end
end
