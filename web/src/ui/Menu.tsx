/** A button that opens a list of things to do. */
import { Button } from "react-aria-components/Button";
import { Menu as AriaMenu, MenuItem, MenuTrigger } from "react-aria-components/Menu";
import { Popover } from "react-aria-components/Popover";
import { Icon, type IconName } from "./Icon";

export interface MenuEntry {
  id: string;
  label: string;
  act: () => void;
}

export function Menu({ label, icon = "more", entries, shown }: { label: string; icon?: IconName; entries: MenuEntry[]; shown?: string }) {
  return (
    <MenuTrigger>
      <Button className={shown ? "button plain" : "icon-button"} aria-label={label}>
        <Icon name={icon} />
        {shown}
      </Button>
      <Popover className="popover" placement="bottom end">
        <AriaMenu className="menu" aria-label={label} onAction={(id) => entries.find((one) => one.id === id)?.act()}>
          {entries.map((one) => (
            <MenuItem key={one.id} id={one.id} className="menu-item">
              {one.label}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
