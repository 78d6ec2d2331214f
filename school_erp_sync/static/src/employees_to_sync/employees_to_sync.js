import { Component, onWillStart, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useBus, useService } from "@web/core/utils/hooks";

const WAITING = ["pending", "error"];

/** How many employees the school systems still have to take over, in the menu bar of HR. */
export class EmployeesToSync extends Component {
    static template = "school_erp_sync.EmployeesToSync";
    static props = {};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ pending: 0, error: 0 });
        onWillStart(async () => {
            this.isHr = await user.hasGroup("hr.group_hr_user");
            // Not waited for: nothing in the web client depends on it.
            this.count();
        });
        useBus(this.env.bus, "ACTION_MANAGER:UI-UPDATED", () => this.count());
    }

    async count() {
        if (!this.isHr) {
            return;
        }
        const groups = await this.orm.silent.formattedReadGroup(
            "hr.employee",
            [
                ["school_sync_state", "in", WAITING],
                ["company_id", "in", user.activeCompanies.map((company) => company.id)],
            ],
            ["school_sync_state"],
            ["__count"],
            { context: { ...user.context, active_test: false } }
        );
        for (const state of WAITING) {
            const group = groups.find((group) => group.school_sync_state === state);
            this.state[state] = group ? group.__count : 0;
        }
    }

    open() {
        this.action.doAction("school_erp_sync.hr_employee_sync_action", { clearBreadcrumbs: true });
    }
}

registry
    .category("systray")
    .add("school_erp_sync.employees_to_sync", { Component: EmployeesToSync }, { sequence: 60 });
