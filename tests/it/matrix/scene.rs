//! What happens in the cells of the matrix: one scene for each kind of record and each way that it can go.

use std::sync::Mutex;

use jiff::Timestamp;
use readypost::simulator::connectwise::{NewInvoice, NewMovement};
use readypost::simulator::xero::NewContact;

use crate::cost_of_goods::{self, disks, of_row};
use crate::credits::{self, CREDITS};
use crate::expenses::{self, Spending};
use crate::harness::{Differently, World, dec, labour};
use crate::inventory::{loss, shift};
use crate::payments::{FROM, Paying, TO, enter};
use crate::purchases::{self, Buying};

/// What becomes of which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    Invoice,
    NewClient,
    CreditMemo,
    Purchase,
    /// Two equal packing slips of one order, so that one bill more or less is seen.
    TwoSlips,
    ExpenseReport,
    ExpenseEntries,
    /// Two equal payments are entered in Xero.
    PaidInXero,
    /// They are deleted there.
    DeletedInXero,
    /// They are entered in ConnectWise.
    PaidInConnectwise,
    /// Two equal parts of a credit memo are applied in ConnectWise.
    CreditApplied,
    Adjustment,
    AdjustmentAsBill,
    Transfer,
    CostAsJournal,
    CostAsBill,
}

impl Scene {
    pub(super) const ALL: [Self; 16] = [
        Self::Invoice,
        Self::NewClient,
        Self::CreditMemo,
        Self::Purchase,
        Self::TwoSlips,
        Self::ExpenseReport,
        Self::ExpenseEntries,
        Self::PaidInXero,
        Self::DeletedInXero,
        Self::PaidInConnectwise,
        Self::CreditApplied,
        Self::Adjustment,
        Self::AdjustmentAsBill,
        Self::Transfer,
        Self::CostAsJournal,
        Self::CostAsBill,
    ];

    fn rules(self) -> &'static str {
        match self {
            Self::Invoice | Self::NewClient | Self::CreditMemo => "",
            Self::Purchase | Self::TwoSlips => purchases::RULES,
            Self::ExpenseReport => expenses::RULES,
            Self::ExpenseEntries => expenses::BY_ENTRY,
            Self::PaidInXero | Self::DeletedInXero => FROM,
            Self::PaidInConnectwise => TO,
            Self::CreditApplied => CREDITS,
            Self::Adjustment => "adjustments = \"journal\"\n",
            Self::AdjustmentAsBill => "adjustments = \"bill\"\nadjustment_contact = \"Stock\"\n",
            Self::Transfer => "transfers = \"journal\"\n",
            Self::CostAsJournal => cost_of_goods::RULES,
            Self::CostAsBill => cost_of_goods::BILLS,
        }
    }

    fn differently(self) -> Differently {
        let connectwise = match self {
            Self::CostAsJournal | Self::CostAsBill => of_row,
            _ => Differently::default().connectwise,
        };
        Differently { rules: self.rules(), connectwise, apart: true, ..Differently::default() }
    }

    /// Whether a list has to be asked for, because nobody tells of it.
    pub(super) fn is_swept(self) -> bool {
        matches!(
            self,
            Self::PaidInConnectwise | Self::CreditApplied | Self::Adjustment | Self::AdjustmentAsBill | Self::Transfer
        )
    }

    /// Whether ConnectWise has callbacks for what happens.
    pub(super) fn is_told(self) -> bool {
        !matches!(self, Self::Adjustment | Self::AdjustmentAsBill | Self::Transfer)
    }

    /// What has to be in the books in the end, by hand: documents in Xero, journals, payments that stand in Xero and
    /// in ConnectWise, batches.
    pub(super) fn expected(self) -> Expected {
        let (documents, journals, payments, batches): (&[&str], &[&str], _, _) = match self {
            Self::Invoice => (&["ACCREC Blue Gum Dental 109.99"], &[], (0, 0), 1),
            Self::NewClient => (&["ACCREC Newco Holdings 109.99"], &[], (0, 0), 1),
            Self::CreditMemo => (&["ACCRECCREDIT Blue Gum Dental 109.99"], &[], (0, 0), 1),
            Self::Purchase => (&["ACCPAY Harbour Distribution 302.5"], &[], (0, 0), 1),
            Self::TwoSlips => {
                (&["ACCPAY Harbour Distribution 302.5", "ACCPAY Harbour Distribution 302.5"], &[], (0, 0), 2)
            }
            Self::ExpenseReport => (&["ACCPAY Jo Doe 45"], &[], (0, 0), 1),
            Self::ExpenseEntries => (&["ACCPAY Jo Doe 12", "ACCPAY Jo Doe 33"], &[], (0, 0), 2),
            Self::PaidInXero | Self::PaidInConnectwise => (&["ACCREC Blue Gum Dental 110"], &[], (2, 2), 1),
            Self::DeletedInXero => (&["ACCREC Blue Gum Dental 110"], &[], (0, 0), 1),
            Self::CreditApplied => (&["ACCREC Blue Gum Dental 110", "ACCRECCREDIT Blue Gum Dental 44"], &[], (0, 2), 2),
            Self::Adjustment => (&[], &["100", "100"], (0, 0), 2),
            Self::AdjustmentAsBill => (&["ACCPAY Stock 0"], &[], (0, 0), 1),
            Self::Transfer => (&[], &["150"], (0, 0), 1),
            Self::CostAsJournal => {
                (&["ACCREC Blue Gum Dental 121", "ACCREC Blue Gum Dental 121"], &["60", "60"], (0, 0), 2)
            }
            Self::CostAsBill => (&["ACCPAY Stock 0", "ACCREC Blue Gum Dental 121"], &[], (0, 0), 1),
        };
        Expected { documents, journals, payments, batches }
    }
}

/// What has to be in the books in the end.
pub(super) struct Expected {
    pub(super) documents: &'static [&'static str],
    pub(super) journals: &'static [&'static str],
    /// In Xero and in ConnectWise.
    pub(super) payments: (usize, usize),
    pub(super) batches: usize,
}

/// What of ConnectWise somebody can save again, so that it calls back.
#[derive(Clone, Copy)]
enum Saved {
    Nothing,
    Invoice(i64),
    Order(i64),
    Expenses([i64; 2]),
}

/// A world in which a scene is about to happen.
pub(super) struct Stage {
    pub(super) scene: Scene,
    pub(super) world: World,
    saved: Saved,
    /// Invoices whose payments are looked at, the first of them the one that is paid.
    pub(super) invoices: Vec<i64>,
    memo: i64,
    movements: Vec<NewMovement>,
    /// When broken credentials are put right.
    pub(super) mended: Mutex<Option<Timestamp>>,
}

impl Stage {
    pub(super) async fn new(scene: Scene) -> Self {
        let differently = scene.differently();
        match scene {
            Scene::Invoice | Scene::NewClient | Scene::CreditMemo => Self::selling(scene, differently).await,
            Scene::Purchase | Scene::TwoSlips => Self::buying(scene, differently).await,
            Scene::ExpenseReport | Scene::ExpenseEntries => Self::spending(scene, differently).await,
            Scene::PaidInXero | Scene::DeletedInXero | Scene::PaidInConnectwise | Scene::CreditApplied => {
                Self::paying(scene, differently).await
            }
            Scene::Adjustment | Scene::AdjustmentAsBill | Scene::Transfer => Self::counting(scene, differently).await,
            Scene::CostAsJournal | Scene::CostAsBill => Self::costing(scene, differently).await,
        }
    }

    fn of(scene: Scene, world: World, saved: Saved) -> Self {
        let invoices = if let Saved::Invoice(invoice) = saved { vec![invoice] } else { Vec::new() };
        Self { scene, world, saved, invoices, memo: 0, movements: Vec::new(), mended: Mutex::new(None) }
    }

    async fn selling(scene: Scene, differently: Differently) -> Self {
        let world = World::with(differently).await;
        let company = if scene == Scene::NewClient { world.new_client("NEWCO", "Newco Holdings") } else { 0 };
        let kind = if scene == Scene::CreditMemo { "CreditMemo" } else { "Standard" };
        let invoice = world.invoice_like(NewInvoice {
            number: "F1".to_owned(),
            kind: kind.to_owned(),
            company,
            lines: vec![labour("3", "33.33")],
            ..NewInvoice::default()
        });
        Self::of(scene, world, Saved::Invoice(invoice))
    }

    async fn buying(scene: Scene, differently: Differently) -> Self {
        let buying = Buying::with(differently).await;
        let two = scene == Scene::TwoSlips;
        let order = buying.order(if two { &["5", "5"] } else { &["5"] });
        let world = buying.world;
        world.connectwise.receive_line(order, 1, "A").unwrap();
        if two {
            world.connectwise.receive_line(order, 2, "B").unwrap();
        }
        Self::of(scene, world, Saved::Order(order))
    }

    async fn spending(scene: Scene, differently: Differently) -> Self {
        let spending = Spending::with(differently).await;
        let entries = [spending.add(spending.parking()), spending.add(spending.meals())];
        Self::of(scene, spending.world, Saved::Expenses(entries))
    }

    async fn paying(scene: Scene, differently: Differently) -> Self {
        let paying = Paying::with(differently).await;
        let (invoice, _) = paying.posted("INV-1").await;
        if scene == Scene::DeletedInXero {
            paying.pay("INV-1", "20");
            paying.pay("INV-1", "20");
            paying.settle().await;
            assert_eq!(paying.amounts(invoice).len(), 2);
        }
        let mut memo = 0;
        if scene == Scene::CreditApplied {
            memo = credits::memo(&paying, "CM-1");
            paying.world.ready(memo);
            paying.world.settle().await;
            let _ = paying.world.xero.take_webhooks();
        }
        Self { memo, ..Self::of(scene, paying.world, Saved::Invoice(invoice)) }
    }

    async fn counting(scene: Scene, differently: Differently) -> Self {
        let world = World::with(differently).await;
        world.xero.add_contact(NewContact { name: "Stock".to_owned(), ..NewContact::default() });
        let movements = match scene {
            Scene::Transfer => vec![shift()],
            Scene::AdjustmentAsBill => vec![loss("ADJ-1")],
            _ => vec![loss("ADJ-1"), loss("ADJ-1")],
        };
        Self { movements, ..Self::of(scene, world, Saved::Nothing) }
    }

    async fn costing(scene: Scene, differently: Differently) -> Self {
        let world = World::with(differently).await;
        world.xero.add_contact(NewContact { name: "Stock".to_owned(), ..NewContact::default() });
        let numbers: &[&str] = if scene == Scene::CostAsBill { &["1001"] } else { &["1001", "1002"] };
        let invoices: Vec<i64> = numbers.iter().map(|number| world.invoice(number, vec![disks("2")])).collect();
        Self { invoices: invoices.clone(), ..Self::of(scene, world, Saved::Invoice(invoices[0])) }
    }

    /// Lets it happen; what the systems tell of it is not delivered yet.
    pub(super) fn begin(&self) {
        let _ = self.world.connectwise.take_callbacks();
        let connectwise = &self.world.connectwise;
        match (self.scene, self.saved) {
            (Scene::PaidInXero, _) => {
                for _ in 0..2 {
                    self.world.xero.pay("INV-1", dec("20"), crate::payments::DAY).unwrap();
                }
            }
            (Scene::DeletedInXero, _) => {
                for payment in self.world.xero.payments() {
                    self.world.xero.delete_payment(payment.id).unwrap();
                }
            }
            (Scene::PaidInConnectwise, Saved::Invoice(invoice)) => {
                for _ in 0..2 {
                    enter(&self.world, invoice, "20");
                }
            }
            (Scene::CreditApplied, Saved::Invoice(invoice)) => {
                for _ in 0..2 {
                    let _ = connectwise.apply_credit(self.memo, invoice, dec("20"));
                }
            }
            (_, Saved::Order(order)) => connectwise.close_purchase_order(order).unwrap(),
            (_, Saved::Expenses([first, _])) => connectwise.approve(first).unwrap(),
            (_, Saved::Invoice(_)) => self.invoices.iter().for_each(|invoice| self.world.ready(*invoice)),
            (scene, Saved::Nothing) => {
                for movement in &self.movements {
                    let id = connectwise.add_movement(movement.clone());
                    if scene != Scene::Transfer {
                        connectwise.close_adjustment(id).unwrap();
                    }
                }
            }
        }
    }

    /// Somebody saves it in ConnectWise once more, so that it calls back.
    pub(super) fn save_again(&self) {
        let connectwise = &self.world.connectwise;
        match self.saved {
            Saved::Nothing => {}
            Saved::Invoice(_) => self.invoices.iter().for_each(|invoice| connectwise.save_invoice(*invoice)),
            Saved::Order(order) => connectwise.save_purchase_order(order),
            Saved::Expenses(entries) => entries.into_iter().for_each(|entry| connectwise.save_expense(entry)),
        }
    }
}
